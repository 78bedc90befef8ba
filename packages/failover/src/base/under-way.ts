import type { ConnectionPool } from '@poolhouse/core'

/** How many connections of the pool are leased, plus how many callers wait for one. */
export function underWay(pool: ConnectionPool): number {
  const { leased, pending } = pool.stats()
  return leased + pending
}
