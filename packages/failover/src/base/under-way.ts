import type { ConnectionPool } from '@poolhouse/core'

/** Connections that are lent, and callers that wait for one. */
export function underWay(pool: ConnectionPool): number {
  const { leased, pending } = pool.stats()
  return leased + pending
}
