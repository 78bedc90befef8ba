import type { Cluster } from '@poolhouse/testkit'
import { describePool } from '@poolhouse/testkit/conformance'
import { beforeAll } from 'vitest'
import { DRAW } from '../support/draw.js'
import { DRIVERS } from '../support/drivers.js'
import { EVERY_POOL } from '../support/pool-kinds.js'
import { sharedCluster } from '../support/servers/shared-cluster.js'

// Of each pool a part, which is another one with the next commit. All of it is in the files
// conformance-*.faults.test.ts.
const PART = 20

const started = sharedCluster({ replicas: 1, auth: 'scram-sha-256' })
let cluster: Cluster

beforeAll(async () => {
  cluster = await started()
})

for (const [index, { kind, without, make }] of EVERY_POOL.entries()) {
  const number = DRAW + index
  const { driver, make: makeDriver } = DRIVERS[Math.floor(number / PART) % DRIVERS.length]!
  describePool(
    `${kind}, over ${driver}, part ${number % PART} of ${PART}`,
    make(makeDriver(), () => cluster),
    {
      cluster: started,
      without,
      share: { of: PART, number },
    },
  )
}
