/**
 * What a stranger writes next, in plain JavaScript: a manager on a cluster, a tenant, a primary
 * that is killed under their calls. Prints one line, and ends by itself.
 */
export const FAILOVER_PROGRAM: string = `
import { createManager, loadConfig } from '@poolhouse/manager'
import { nodePostgres } from '@poolhouse/node-postgres'
import { startCluster } from '@poolhouse/testkit'

const cluster = await startCluster({ replicas: 2, synchronous: true, auth: 'scram-sha-256' })
await cluster.primary.sql('create table orders (id int primary key)')
await cluster.primary.sql('grant all on orders to ' + cluster.user)
const hosts = cluster.nodes.map(({ host, port }) => host + ':' + port).join(',')
const url = 'postgres://' + cluster.user + ':' + encodeURIComponent(cluster.password) + '@' + hosts + '/' + cluster.database
const config = await loadConfig({ file: false, env: { DATABASE_URL: url } })
const manager = createManager({
  drivers: { pg: nodePostgres() },
  ...config,
  tenants: { resolve: (id) => (id === 'acme' ? { schema: 'public' } : undefined) },
})
await manager.ready()
const app = manager.database('app')
const tenant = manager.tenant('acme')
let acknowledged = 0
let isRunning = true
const work = (async () => {
  for (let id = 1; isRunning; id++) {
    try {
      await app.transaction((tx) => tx.query('insert into orders values ($1)', [id]), { retry: { attempts: 5 } })
      acknowledged++
    } catch (error) {
      // The one in flight, if its COMMIT had been sent.
      if (error.executed !== 'unknown') throw error
    }
  }
})()
const until = async (count) => {
  while (acknowledged < count) await new Promise((resolve) => setTimeout(resolve, 5))
}
await until(20)
const before = (await tenant.query('select 1')).node
await cluster.primary.kill()
await cluster.failover()
await until(acknowledged + 20)
isRunning = false
await work
const { node, rows } = await tenant.query('select count(*)::int as n from orders')
const read = await app.reader().query('select 1 as one')
if (node === before) throw new Error('the primary has not moved')
if (rows[0].n < acknowledged) throw new Error(acknowledged + ' orders were acknowledged, and ' + rows[0].n + ' are there')
await manager.tenant('stranger').query('select 1').then(
  () => { throw new Error('an unknown tenant was served') },
  ({ code }) => { if (code !== 'POOLHOUSE_UNKNOWN_TENANT') throw new Error(code) },
)
await manager.shutdown({ graceMs: 5_000 })
await cluster.stop()
console.log('written on ' + before + ', then on ' + node + '; read on ' + read.node + '; ' + acknowledged + ' acknowledged, none lost')
`
