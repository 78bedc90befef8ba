import { type ConnectionPool, createPool, type Driver } from '@poolhouse/core'
import { withFailover } from '@poolhouse/failover'
import { nodePostgres } from '@poolhouse/node-postgres'
import { postgresJs } from '@poolhouse/postgres-js'
import { withReplicas } from '@poolhouse/read-replicas'
import { type Cluster, startCluster } from '@poolhouse/testkit'
import { describePool } from '@poolhouse/testkit/conformance'
import { afterAll, beforeAll } from 'vitest'
import { ADDED_LATENCY_MS } from '../support/added-latency.js'

const [pg, js] = [nodePostgres(), postgresJs()]
let cluster: Cluster

beforeAll(async () => {
  cluster = await startCluster({ replicas: 1, auth: 'scram-sha-256' })
})

afterAll(async () => {
  await cluster?.stop()
})

const options = { cluster: () => cluster, latencyMs: ADDED_LATENCY_MS }

/** A pool of connections to the replica. */
function replicaPool(driver: Driver): ConnectionPool {
  return createPool({ driver, connection: cluster.replicas[0]!.url, name: 'replica' })
}

describePool('of connections, over pg', (parts) => createPool({ driver: pg, ...parts }), options)

describePool(
  'of connections, over postgres.js',
  (parts) => createPool({ driver: js, ...parts }),
  options,
)

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
