import { createPool } from '@poolhouse/core'
import { nodePostgres } from '@poolhouse/node-postgres'
import { postgresJs } from '@poolhouse/postgres-js'
import { describePool } from '@poolhouse/testkit/conformance'
import { ADDED_LATENCY_MS } from '../support/added-latency.js'
import { DRAW } from '../support/draw.js'
import { sharedCluster } from '../support/servers/shared-cluster.js'

const [pg, js] = [nodePostgres(), postgresJs()]
const cluster = sharedCluster({ replicas: 0, auth: 'scram-sha-256' })
const options = { cluster, latencyMs: ADDED_LATENCY_MS }

// Every case over one of the drivers, with the next commit over the other. Over both, and every
// other pool, are they in conformance-*.faults.test.ts.
describePool('of connections, over pg', (parts) => createPool({ driver: pg, ...parts }), {
  ...options,
  share: { of: 2, number: DRAW },
})

describePool('of connections, over postgres.js', (parts) => createPool({ driver: js, ...parts }), {
  ...options,
  share: { of: 2, number: DRAW + 1 },
})
