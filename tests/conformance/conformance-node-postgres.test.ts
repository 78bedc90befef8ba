import { nodePostgres } from '@poolhouse/node-postgres'
import { describeDriver } from '@poolhouse/testkit/conformance'
import { ADDED_LATENCY_MS } from '../support/added-latency.js'
import { sharedCluster } from '../support/servers/shared-cluster.js'

const cluster = sharedCluster({ replicas: 0, auth: 'scram-sha-256' })

// What chance decides has more tries in chance.faults.test.ts.
describeDriver(nodePostgres(), { cluster, latencyMs: ADDED_LATENCY_MS, effort: 0.2 })

// What can go wrong because an answer comes late, or in another packet than the next.
describeDriver(nodePostgres(), {
  name: 'pg, far away',
  cluster,
  latencyMs: 5,
  effort: 0.3,
  areas: ['sessions', 'cursors', 'copy', 'copy, slow and lost', 'listen', 'closing'],
})
