import type { Clock } from '@poolhouse/core'

// As pools count it: less may be a correction of the clock.
const FROZEN_MS = 2_500

/**
 * Time for what must not be believed for too long, in milliseconds since an arbitrary origin: the
 * clock's, and what it has missed while the machine was suspended, as between two calls of a
 * serverless function. A wall clock that is put forward looks the same: what was known is then
 * asked for once more.
 */
export function timePassed(clock: Pick<Clock, 'now' | 'wallNow'>): () => number {
  let missed = 0
  let lastNow = clock.now()
  let lastWall = clock.wallNow()
  return () => {
    const now = clock.now()
    const wall = clock.wallNow()
    const gap = wall - lastWall - (now - lastNow)
    if (gap > FROZEN_MS) missed += gap
    lastNow = now
    lastWall = wall
    return now + missed
  }
}
