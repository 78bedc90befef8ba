import { type Histogram, type HistogramStats, sumHistograms } from '../base/histogram.js'
import type { ServerInUse } from '../server/server-sightings.js'
import type { PoolerInEffect } from './pooler.js'

/**
 * Median, 99th percentile and maximum of a time, in milliseconds. All 0 before the first sample.
 */
export interface Percentiles {
  /** Median. */
  readonly p50: number
  /** 99th percentile. */
  readonly p99: number
  /** Largest value seen. */
  readonly max: number
}

/** What has happened since the pool was made. */
export interface PoolCounters {
  /** Connections lent, for leases and for single statements. */
  readonly acquired: number
  /** Connections that came back. */
  readonly released: number
  /** Connections opened. */
  readonly created: number
  /** Connections gone, for whatever reason. */
  readonly destroyed: number
  /** Acquires and statements that passed their deadline. */
  readonly timeouts: number
  /**
   * Failed connects, lost connections, other background failures, and statements that the server
   * answered with an error.
   */
  readonly errors: number
  /** Leases reported as leaked. */
  readonly leaks: number
}

/** The times of a pool as histograms, which can be added up over pools and over time. */
export interface PoolHistograms {
  /** How long callers waited for a connection. */
  readonly waitMs: HistogramStats
  /** How long callers held one. */
  readonly useMs: HistogramStats
  /** How long opening one took. */
  readonly createMs: HistogramStats
  /** How long statements took: see `PoolStats.queryMs`. */
  readonly queryMs: HistogramStats
}

/**
 * An immutable picture of a pool. A decorator reports the sums of its nodes and each of them under
 * `nodes`.
 */
export interface PoolStats {
  /** Connections open or being opened. */
  readonly total: number
  /** Idle connections. */
  readonly idle: number
  /** Connections held by callers, or being cleaned after them. */
  readonly leased: number
  /** Connections being opened. */
  readonly connecting: number
  /** Callers waiting. */
  readonly pending: number
  /** Most connections allowed. */
  readonly max: number
  /** Connections that are opened and kept without demand. */
  readonly min: number
  /** What has happened so far. */
  readonly counters: PoolCounters
  /** How long callers waited for a connection. */
  readonly waitMs: Percentiles
  /** How long callers held one. */
  readonly useMs: Percentiles
  /** How long opening one took. */
  readonly createMs: Percentiles
  /**
   * How long statements took from the call to its end, the wait for a connection included: each
   * `query` of the pool, of a lease and of a transaction, each statement of a batch or an array,
   * answered or not. Streams, copies and what goes through `lease.raw` are not counted.
   */
  readonly queryMs: Percentiles
  /** The same times as histograms. */
  readonly histograms: PoolHistograms
  /** The statistics of each node, by name, where there are several. */
  readonly nodes?: Readonly<Record<string, PoolStats>>
  /**
   * How often a routing pool has sent a call where, by reason. Of databases of a manager that share
   * their servers, the first tells it for all.
   */
  readonly routing?: Readonly<Record<string, number>>
}

/** One lease as seen from outside. */
export interface LeaseSnapshot {
  /** Number of the connection. */
  readonly connection: number
  /** Process id on the server. */
  readonly backendPid: number
  /** How long it has been out, in milliseconds. */
  readonly heldMs: number
  /** What the connection does. */
  readonly state: 'idle' | 'busy' | 'idle in transaction'
  /** Text of the last statement, without values; see `PoolhouseError.statement`. */
  readonly statement: string | undefined
  /** Where it was acquired, if this acquire was sampled. */
  readonly stack: string | undefined
}

/** A statement that took long. */
export interface SlowStatement {
  /** Its text, without values; see `PoolhouseError.statement`. At most 2,000 characters. */
  readonly statement: string
  /** How long it took from the call to its end, in milliseconds. */
  readonly ms: number
  /** How long ago it ended, in milliseconds. */
  readonly agoMs: number
}

/** A lease that was reported as leaked. */
export interface LeakSnapshot {
  /** Number of the connection. */
  readonly connection: number
  /** How long it had been out, in milliseconds. */
  readonly heldMs: number
  /** How long ago it was reported, in milliseconds. */
  readonly agoMs: number
  /** Text of its last statement, without values; see `PoolhouseError.statement`. */
  readonly statement: string | undefined
  /** Where it was acquired, the caller's frame first; see `LeakEvent.stack`. */
  readonly stack: string | undefined
  /** Whether the garbage collector had taken its object, so that no code could release it. */
  readonly collected: boolean
}

/** The inside of a pool at one moment. */
export interface PoolSnapshot {
  /** Name of the pool. */
  readonly name: string
  /** `host:port/database`. */
  readonly endpoint: string
  /**
   * The pooler that the pool respects: declared, or noticed when a connection was opened; undefined
   * for none.
   */
  readonly pooler: PoolerInEffect | undefined
  /**
   * The servers that its connections lead to: one, unless its name stands for several. Empty where
   * none of them said which it is.
   */
  readonly servers?: readonly ServerInUse[] | undefined
  /** Every connection that is out. */
  readonly leases: readonly LeaseSnapshot[]
  /**
   * The slowest statements of the last ten minutes, one for each text, the slowest first; at most
   * 20.
   */
  readonly slowest: readonly SlowStatement[]
  /** The last leaks, the newest first; at most 20. */
  readonly leaks: readonly LeakSnapshot[]
  /** Message of the last failed connect, until one succeeds. */
  readonly lastConnectError: string | undefined
}

/** Reads a histogram into an immutable summary. */
export function percentilesOf(histogram: Histogram): Percentiles {
  return Object.freeze({
    p50: histogram.percentile(0.5),
    p99: histogram.percentile(0.99),
    max: histogram.max,
  })
}

/**
 * Adds up the statistics of several pools. Percentiles are the worst of the parts, since exact ones
 * cannot be merged; histograms are added up.
 */
export function sumStats(nodes: Readonly<Record<string, PoolStats>>): PoolStats {
  const all = Object.values(nodes)
  const sum = (pick: (stats: PoolStats) => number): number =>
    all.reduce((total, stats) => total + pick(stats), 0)
  const worst = (pick: (stats: PoolStats) => Percentiles): Percentiles =>
    Object.freeze({
      p50: Math.max(0, ...all.map((stats) => pick(stats).p50)),
      p99: Math.max(0, ...all.map((stats) => pick(stats).p99)),
      max: Math.max(0, ...all.map((stats) => pick(stats).max)),
    })
  return Object.freeze({
    total: sum((s) => s.total),
    idle: sum((s) => s.idle),
    leased: sum((s) => s.leased),
    connecting: sum((s) => s.connecting),
    pending: sum((s) => s.pending),
    max: sum((s) => s.max),
    min: sum((s) => s.min),
    counters: Object.freeze({
      acquired: sum((s) => s.counters.acquired),
      released: sum((s) => s.counters.released),
      created: sum((s) => s.counters.created),
      destroyed: sum((s) => s.counters.destroyed),
      timeouts: sum((s) => s.counters.timeouts),
      errors: sum((s) => s.counters.errors),
      leaks: sum((s) => s.counters.leaks),
    }),
    waitMs: worst((s) => s.waitMs),
    useMs: worst((s) => s.useMs),
    createMs: worst((s) => s.createMs),
    queryMs: worst((s) => s.queryMs),
    histograms: Object.freeze({
      waitMs: sumHistograms(all.map(({ histograms }) => histograms.waitMs)),
      useMs: sumHistograms(all.map(({ histograms }) => histograms.useMs)),
      createMs: sumHistograms(all.map(({ histograms }) => histograms.createMs)),
      queryMs: sumHistograms(all.map(({ histograms }) => histograms.queryMs)),
    }),
    nodes: Object.freeze({ ...nodes }),
  })
}
