import type { Clock, ConnectionPool } from '@poolhouse/core'
import { awaitUntil } from './await-until.js'

// A look costs microseconds, and what it ends may be the wait of a thousand calls.
const LOOK_MS = 5

/**
 * Resolves when nothing is under way on a pool: `idle`, or before that when `deadline` (client time) has passed, the signal has fired
 * or `goOn` says no. Never rejects.
 */
export async function awaitIdle(
  clock: Clock,
  pool: ConnectionPool,
  deadline: number,
  signal: AbortSignal | undefined,
  goOn: () => boolean = () => true,
): Promise<'idle' | 'late' | 'ended'> {
  while (goOn() && signal?.aborted !== true) {
    if (underWay(pool) === 0) return 'idle'
    const now = clock.now()
    if (now >= deadline) return 'late'
    await awaitUntil(clock, Math.min(deadline, now + LOOK_MS), signal, undefined)
  }
  return 'ended'
}

/** Connections that are lent, and callers that wait for one. */
export function underWay(pool: ConnectionPool): number {
  const { leased, pending } = pool.stats()
  return leased + pending
}
