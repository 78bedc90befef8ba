import { describeDriver } from '@poolhouse/testkit/conformance'
import { DRIVERS } from '../support/drivers.js'
import { sharedCluster } from '../support/servers/shared-cluster.js'

const cluster = sharedCluster({ replicas: 0, auth: 'scram-sha-256' })

// A thousand random moments from each of several seeds: longer than the quick tier has time for.
for (const { driver, make } of DRIVERS) {
  describeDriver(make(), {
    name: `${driver}, by chance`,
    cluster,
    areas: ['cancellation', 'chaos'],
    seeds: [1, 2, 3],
  })
}
