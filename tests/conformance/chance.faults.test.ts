import { describeDriver } from '@poolhouse/testkit/conformance'
import { driversFor } from '../support/scenario.js'
import { sharedCluster } from '../support/servers/shared-cluster.js'

const cluster = sharedCluster({ replicas: 0, auth: 'scram-sha-256' })

// Moments that nobody has chosen, a thousand of them and from several seeds: longer than the quick
// tier has time for.
for (const { driver, make } of driversFor('by chance')) {
  describeDriver(make(), {
    name: `${driver}, by chance`,
    cluster,
    areas: ['cancellation', 'chaos'],
    seeds: [1, 2, 3],
  })
}
