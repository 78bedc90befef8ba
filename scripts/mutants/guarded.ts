/** A folder whose code keeps one of the guarantees, and the tests that hold it. */
export interface Guarded {
  /** From the root of the repository. */
  readonly folder: string
  /** Folders of unit tests and simulations, from the root of the repository. */
  readonly tests: readonly string[]
}

const core = 'packages/core'
const failover = 'packages/failover'
const replicas = 'packages/read-replicas'
const manager = 'packages/manager'

/** What is mutated: the owners of the guarantees, and nothing else. */
export const GUARDED: readonly Guarded[] = [
  { folder: `${core}/src/slot`, tests: [`${core}/test`] },
  { folder: `${core}/src/engine`, tests: [`${core}/test`] },
  { folder: `${core}/src/transaction`, tests: [`${core}/test`] },
  { folder: `${core}/src/sql`, tests: [`${core}/test/unit`] },
  { folder: `${core}/src/outcome`, tests: [`${core}/test/unit`] },
  { folder: `${failover}/src/judge`, tests: [`${failover}/test`] },
  { folder: `${failover}/src/calls`, tests: [`${failover}/test`] },
  { folder: `${replicas}/src/session`, tests: [`${replicas}/test`] },
  { folder: `${replicas}/src/position`, tests: [`${replicas}/test`] },
  { folder: `${replicas}/src/route`, tests: [`${replicas}/test`] },
  { folder: `${manager}/src/budget`, tests: [`${manager}/test`] },
  { folder: `${manager}/src/tenants`, tests: [`${manager}/test`] },
]
