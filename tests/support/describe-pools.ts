import { type Cluster, startCluster } from '@poolhouse/testkit'
import { describePool } from '@poolhouse/testkit/conformance'
import { afterAll, beforeAll } from 'vitest'
import { DRIVERS } from './drivers.js'
import type { PoolKind } from './pool-kinds.js'

/** The suite of pools over each of these kinds and each driver, on one cluster for the file. */
export function describePools(kinds: readonly PoolKind[]): void {
  let cluster: Cluster
  beforeAll(async () => {
    cluster = await startCluster({ replicas: 1, auth: 'scram-sha-256' })
  })
  afterAll(async () => {
    await cluster?.stop()
  })
  for (const { kind, without, make } of kinds) {
    for (const { driver, make: makeDriver } of DRIVERS) {
      const pool = make(makeDriver(), () => cluster)
      describePool(`${kind}, over ${driver}`, pool, { cluster: () => cluster, without })
    }
  }
}
