import { nodePostgres } from '@poolhouse/node-postgres'
import { describeDriver } from '@poolhouse/testkit/conformance'
import { ADDED_LATENCY_MS } from '../support/added-latency.js'

describeDriver(nodePostgres(), { latencyMs: ADDED_LATENCY_MS })

// What can go wrong because an answer comes late, or in another packet than the next.
describeDriver(nodePostgres(), {
  name: 'pg, far away',
  latencyMs: 5,
  areas: ['sessions', 'cursors', 'copy', 'copy, slow and lost', 'listen', 'closing'],
})
