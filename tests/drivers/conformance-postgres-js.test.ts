import { postgresJs } from '@poolhouse/postgres-js'
import { describeDriver } from '@poolhouse/testkit/conformance'
import { ADDED_LATENCY_MS } from '../support/added-latency.js'

describeDriver(postgresJs(), { latencyMs: ADDED_LATENCY_MS })

// What can go wrong because an answer comes late, or in another packet than the next.
describeDriver(postgresJs(), {
  name: 'postgres.js, far away',
  latencyMs: 5,
  areas: ['sessions', 'cursors', 'copy', 'copy, slow and lost', 'listen', 'closing'],
})
