import type { PoolStats } from '@poolhouse/core'
import type { RecentTimes, RouteView } from '../dashboard-state.js'

/** What a pool did in the last seconds. */
export interface Recent {
  /** How long callers waited; undefined if none came. */
  readonly wait: RecentTimes | undefined
  /** How long statements took; undefined if there was none. */
  readonly query: RecentTimes | undefined
  /** Statements a second. */
  readonly perSecond: number
  /** Where calls went. */
  readonly routes: readonly RouteView[]
}

/** A histogram as `stats()` has it. */
type Times = PoolStats['histograms']['queryMs']

interface Reading {
  readonly at: number
  readonly stats: Pick<PoolStats, 'histograms' | 'routing'>
}

/** Short enough to follow a failover, long enough that a 99th percentile means something. */
const WINDOW_MS = 5_000

/**
 * Owns the last readings of one pool. The statistics of a pool are sums since it was made; what
 * happened in the last seconds is the difference of two readings.
 */
export class RecentWork {
  readonly #readings: Reading[] = []

  /** Adds a reading, and compares it with the oldest one of the last seconds. */
  read(at: number, stats: Reading['stats']): Recent {
    const readings = this.#readings
    while (readings.length > 1 && readings[1]!.at <= at - WINDOW_MS) readings.shift()
    // After a pause in which no page was open, what lies between the readings is not recent.
    if (readings.length > 0 && readings[0]!.at < at - 2 * WINDOW_MS) readings.length = 0
    readings.push({ at, stats })
    const first = readings[0]!
    const seconds = (at - first.at) / 1_000
    const perSecond = (now: number, then: number): number =>
      seconds > 0 ? Math.max(0, now - then) / seconds : 0
    const [before, after] = [first.stats.histograms, stats.histograms]
    return {
      wait: timesBetween(before.waitMs, after.waitMs),
      query: timesBetween(before.queryMs, after.queryMs),
      perSecond: perSecond(after.queryMs.count, before.queryMs.count),
      routes: Object.entries(stats.routing ?? {}).map(([reason, count]) => ({
        reason,
        count,
        perSecond: perSecond(count, first.stats.routing?.[reason] ?? 0),
      })),
    }
  }
}

/** Percentiles of what was added to a histogram between two readings. */
function timesBetween(before: Times, after: Times): RecentTimes | undefined {
  const counts = after.counts.map((count, index) =>
    Math.max(0, count - (before.counts[index] ?? 0)),
  )
  const total = counts.reduce((sum, count) => sum + count, 0)
  if (total === 0) return undefined
  const percentile = (share: number): number => {
    let left = share * total
    for (const [index, count] of counts.entries()) {
      if (count > 0 && left <= count) {
        // Where within the bucket is not known; evenly spread is the usual guess.
        const from = after.le[index - 1] ?? 0
        const to = after.le[index] ?? from
        return from + ((to - from) * left) / count
      }
      left -= count
    }
    return after.le.at(-1) ?? 0
  }
  return { p50: percentile(0.5), p99: percentile(0.99) }
}
