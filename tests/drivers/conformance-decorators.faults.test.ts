import { type ConnectionPool, createPool, type Driver } from '@poolhouse/core'
import { withFailover } from '@poolhouse/failover'
import { nodePostgres } from '@poolhouse/node-postgres'
import { postgresJs } from '@poolhouse/postgres-js'
import { withReplicas } from '@poolhouse/read-replicas'
import { type Cluster, startCluster } from '@poolhouse/testkit'
import { describePool } from '@poolhouse/testkit/conformance'
import { afterAll, beforeAll } from 'vitest'

const [pg, js] = [nodePostgres(), postgresJs()]
let cluster: Cluster

beforeAll(async () => {
  cluster = await startCluster({ replicas: 1, auth: 'scram-sha-256' })
})

afterAll(async () => {
  await cluster?.stop()
})

const options = { cluster: () => cluster }

/** A pool of connections to the replica. */
function replicaPool(driver: Driver): ConnectionPool {
  return createPool({ driver, connection: cluster.replicas[0]!.url, name: 'replica' })
}

describePool(
  'that follows the primary, over postgres.js',
  (parts) => withFailover([createPool({ driver: js, ...parts }), replicaPool(js)]),
  options,
)

describePool(
  'with replicas behind one that follows the primary, over both',
  (parts) => {
    const primary = withFailover([createPool({ driver: js, ...parts }), replicaPool(pg)])
    return withReplicas(primary, primary.topology)
  },
  options,
)
