/** Serves the page of a pool and asks for it, from the packed package. Prints one line. */
export const DASHBOARD_PROGRAM: string = `
import { createServer } from 'node:http'
import { createPool } from '@poolhouse/core'
import { createDashboard } from '@poolhouse/dashboard'
import { nodePostgres } from '@poolhouse/node-postgres'

const pool = createPool({ driver: nodePostgres(), connection: 'postgres://app@localhost/app' })
const dashboard = createDashboard(pool)
const server = createServer(dashboard)
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
const address = 'http://127.0.0.1:' + server.address().port + '/'
const page = await (await fetch(address)).text()
const { pools } = await (await fetch(address + 'state.json')).json()
if (!page.includes('<title>Poolhouse</title>') || !/<script>.{30000}/s.test(page)) throw new Error(page.slice(0, 500))
console.log('a page of ' + Math.round(page.length / 1000) + ' kB shows ' + pools.length + ' pool of at most ' + pools[0].connections.max)
dashboard.close()
server.closeAllConnections()
server.close()
await pool.close()
`
