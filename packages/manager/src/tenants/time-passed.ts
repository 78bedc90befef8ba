import type { Clock } from '@poolhouse/core'

// As in pools; a smaller gap may be a correction of the clock.
const FROZEN_MS = 2_500

/**
 * Returns a clock for cached answers, in milliseconds since an arbitrary origin. It also counts the
 * time during which the machine was suspended, as between two calls of a serverless function. A
 * wall clock that is set forward looks the same; the answers then only expire early.
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
