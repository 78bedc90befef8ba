import {
  type Clock,
  checkNumber,
  describeValue,
  nearestName,
  refuseUnknownOptions,
  systemClock,
} from '@poolhouse/core'
import type { BalanceFunction } from './balancer.js'

/** The names of the strategies that come with the package. */
export type StrategyName = 'leastBusy' | 'roundRobin' | 'random'

/** Options of `withReplicas`. */
export interface ReplicasOptions {
  /** Name for messages and events. Default: the primary's name followed by `/replicas`. */
  name?: string | undefined
  /**
   * How to choose among the replicas that fit a read. `leastBusy` (default): two random ones, the one with less work and
   * shorter answers. `roundRobin`: whoever waited longest. `random`. Or your own function.
   */
  strategy?: StrategyName | BalanceFunction | undefined
  /**
   * Oldest data a read accepts, in milliseconds. Default 5 000. 0 sends every read to the primary; `Infinity` accepts any
   * age, also an unknown one. Measured once a second, more often for less than 5 000; values below 300 mostly mean the
   * primary. A reader or a single call can set its own.
   */
  maxStalenessMs?: number | undefined
  /**
   * Zone this process runs in. Replicas of the same zone are used while one of them fits, then the others. Needs a topology,
   * because only its nodes have zones.
   */
  zone?: string | undefined
  /**
   * Share of the primary's connections, 0 to 1, that reads may hold at once when no replica fits. Default 0.3, rounded down,
   * at least one connection; 0 keeps such reads off the primary: they reject with `NoSuitableNodeError`.
   */
  primaryShare?: number | undefined
  /**
   * How often a read is sent again after its connection was lost or the replica cancelled it in favour of replay. Default 1.
   * Reads that were never sent move on to the next node without counting; with 0 even those reject at once.
   */
  readRetries?: number | undefined
  /** Time source; tests give a virtual one. Default: the system's monotonic clock. */
  clock?: Clock | undefined
  /** Random source from 0 (included) to 1 (excluded), for choices and jitter. Default `Math.random`. */
  random?: (() => number) | undefined
}

/** Options of `reader`. */
export interface ReaderOptions {
  /** Oldest data that reads of this view accept, in milliseconds. Default: the pool's `maxStalenessMs`. */
  maxStalenessMs?: number | undefined
}

/** Options of `withReplicas` with every default filled in and everything checked. */
export interface ReplicasConfig {
  readonly name: string
  readonly strategy: StrategyName | BalanceFunction
  readonly maxStalenessMs: number
  readonly zone: string | undefined
  readonly primaryShare: number
  readonly readRetries: number
  readonly clock: Clock
  readonly random: () => number
}

const WHERE = 'withReplicas'
const STRATEGIES: readonly StrategyName[] = ['leastBusy', 'roundRobin', 'random']
const KNOWN: ReadonlySet<string> = new Set([
  'name',
  'strategy',
  'maxStalenessMs',
  'zone',
  'primaryShare',
  'readRetries',
  'clock',
  'random',
])
const READER_OPTIONS: ReadonlySet<string> = new Set(['maxStalenessMs'])

/** Checks the options of `withReplicas` and fills in the defaults. Throws `TypeError` or `RangeError` naming option and value. */
export function readReplicasOptions(
  options: ReplicasOptions,
  primaryName: string,
  hasTopology: boolean,
): ReplicasConfig {
  requireObject(WHERE, options)
  refuseUnknownOptions(WHERE, options, KNOWN)
  return Object.freeze({
    name: readText('name', options.name) ?? `${primaryName}/replicas`,
    strategy: readStrategy(options.strategy ?? 'leastBusy'),
    maxStalenessMs: checkMaxStaleness(WHERE, options.maxStalenessMs ?? 5_000),
    zone: readZone(options.zone, hasTopology),
    primaryShare: checkNumber(WHERE, 'primaryShare', options.primaryShare ?? 0.3, {
      min: 0,
      max: 1,
    }),
    readRetries: checkNumber(WHERE, 'readRetries', options.readRetries ?? 1, {
      min: 0,
      max: 100,
      integer: true,
    }),
    clock: readClock(options.clock),
    random: readFunction('random', options.random) ?? Math.random,
  })
}

/** Checks the options of `reader` and returns the staleness it accepts. Throws `TypeError` or `RangeError`. */
export function readReaderOptions(options: ReaderOptions, maxStalenessMs: number): number {
  requireObject('reader', options)
  refuseUnknownOptions('reader', options, READER_OPTIONS)
  return checkMaxStaleness('reader', options.maxStalenessMs ?? maxStalenessMs)
}

/** Checks a `maxStalenessMs`: 0 to `Infinity`. Throws `TypeError` or `RangeError` naming the value. */
export function checkMaxStaleness(where: string, value: unknown): number {
  return checkNumber(where, 'maxStalenessMs', value, { min: 0, max: Number.POSITIVE_INFINITY })
}

function requireObject(where: string, options: unknown): void {
  if (options === null || typeof options !== 'object' || Array.isArray(options)) {
    throw new TypeError(`${where}: options must be an object, got ${describeValue(options)}`)
  }
}

function readStrategy(strategy: unknown): StrategyName | BalanceFunction {
  if (typeof strategy === 'function') return strategy as BalanceFunction
  if (STRATEGIES.includes(strategy as StrategyName)) return strategy as StrategyName
  const near = typeof strategy === 'string' ? nearestName(strategy, STRATEGIES) : undefined
  const known = STRATEGIES.map((name) => `"${name}"`).join(', ')
  throw new TypeError(
    `${WHERE}: strategy must be ${known} or a function, got ${describeValue(strategy)}` +
      (near === undefined ? '' : `; did you mean "${near}"?`),
  )
}

function readText(option: string, value: unknown): string | undefined {
  if (value === undefined || (typeof value === 'string' && value !== '')) return value
  throw new TypeError(`${WHERE}: ${option} must be a non-empty string, got ${describeValue(value)}`)
}

function readZone(value: unknown, hasTopology: boolean): string | undefined {
  const zone = readText('zone', value)
  if (zone !== undefined && !hasTopology) {
    throw new TypeError(
      `${WHERE}: zone is "${zone}", but plain pools have no zones; give a topology whose nodes have them`,
    )
  }
  return zone
}

function readFunction<F>(option: string, value: F | undefined): F | undefined {
  if (value === undefined || typeof value === 'function') return value
  throw new TypeError(`${WHERE}: ${option} must be a function, got ${describeValue(value)}`)
}

function readClock(clock: Clock | undefined): Clock {
  if (clock === undefined) return systemClock
  if (typeof clock?.now === 'function' && typeof clock.setTimer === 'function') return clock
  throw new TypeError(`${WHERE}: clock must be a clock, got ${describeValue(clock)}`)
}
