import { createPool } from '@poolhouse/core'
import { withFailover } from '@poolhouse/failover'
import { nodePostgres } from '@poolhouse/node-postgres'
import { withReplicas } from '@poolhouse/read-replicas'
import { servers, stopServers } from './cluster.js'

const driver = nodePostgres()
const nodes = servers.map(({ name, url }) => createPool({ driver, name, connection: url }))
const primary = withFailover(nodes) // finds and follows the primary
const db = withReplicas(primary, primary.topology) // declared reads go to the replicas
await db.ready() // the primary is known and connected, and how far the replicas are behind

const write = await db.query('insert into orders (id) values ($1)', [1])
const reads = [1, 2, 3, 4].map(() => db.reader().query('select count(*) from orders'))
console.log(`written on ${write.node}, the primary`)
console.log(`read on ${(await Promise.all(reads)).map(({ node }) => node).join(', ')}`)
await db.close()

await stopServers()
console.log('Everything is closed.')
