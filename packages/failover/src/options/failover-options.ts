import type { Clock } from '@poolhouse/core'
import {
  checkNumber,
  checkShownText,
  checkWord,
  describeValue,
  MAX_MS,
  refuseUnknownOptions,
  systemClock,
} from '@poolhouse/core/kit'
import { checkSource, describeSource, type NodeSource } from './node-source.js'

/**
 * How often and how patiently nodes are probed.
 *
 * @example
 * withFailover(nodes, { probe: { intervalMs: 500, timeoutMs: 300 } })
 */
export interface ProbeOptions {
  /**
   * Time between two probes of a node while there is a primary, in milliseconds, ± 20 %. Default
   * 1 000. Without a primary every node is probed each 100 to 250 ms, or at this interval if that
   * is shorter.
   */
  intervalMs?: number | undefined
  /**
   * Longest time for one probe, in milliseconds. Default 400. Two probes in a row without an answer
   * make a node unreachable (see `watchdog.probes`).
   */
  timeoutMs?: number | undefined
}

/**
 * When silence on a busy connection makes the connection and its node suspect. Overrides the
 * `watchdog` option of the nodes' own pools.
 *
 * @example
 * withFailover(nodes, { watchdog: { silenceMs: 1_000, probes: 3, everyMs: 250 } })
 */
export interface WatchdogOptions {
  /**
   * How long a busy connection may be silent, in milliseconds. After that its node is probed, and
   * is asked whether the session still exists. Default 2 000.
   */
  silenceMs?: number | undefined
  /**
   * Number of failed probes in a row after which a node counts as dead. Default 2. Every probe
   * counts, whatever prompted it.
   */
  probes?: number | undefined
  /**
   * How often connections are checked for silence, in milliseconds. Default: a quarter of
   * `silenceMs`.
   */
  everyMs?: number | undefined
}

/**
 * How many calls wait for a primary, and how long.
 *
 * @example
 * withFailover(nodes, { hold: { timeoutMs: 20_000, maxCalls: 500 } })
 */
export interface HoldOptions {
  /**
   * Longest time that a call waits for a primary, in milliseconds from the call. A shorter
   * `timeoutMs` of the call wins. Default 10 000.
   */
  timeoutMs?: number | undefined
  /**
   * Most calls that may wait at a time; one more rejects with `NoPrimaryError` at once. Default
   * 1 000. `Infinity` for no limit.
   */
  maxCalls?: number | undefined
}

/**
 * Options of `withFailover`.
 *
 * @example
 * const options: FailoverOptions = {
 *   name: 'shop',
 *   probe: { intervalMs: 500 },
 *   watchdog: { silenceMs: 1_000 },
 *   hold: { timeoutMs: 20_000, maxCalls: 500 },
 *   fence: 'timeline',
 *   minimumTimeline: 7, // fences servers of timelines 1 to 6
 *   retryBudget: 0.2, // of the calls of the last ten seconds
 * }
 * const db = withFailover(nodes, options)
 */
export interface FailoverOptions {
  /** Name in messages, events and statistics. Default: made from the names of the nodes. */
  name?: string | undefined
  /**
   * How often and how patiently nodes are probed. Default `{ intervalMs: 1000, timeoutMs: 400 }`.
   */
  probe?: ProbeOptions | undefined
  /**
   * When silence makes a node or a connection suspect. `false` turns the watchdog off, including
   * that of the nodes' own pools. Default `{ silenceMs: 2000, probes: 2 }`.
   */
  watchdog?: WatchdogOptions | false | undefined
  /**
   * How calls wait while there is no primary. With `false` they reject with `NoPrimaryError` at
   * once, except during the first round of probes. Default `{ timeoutMs: 10000, maxCalls: 1000 }`.
   */
  hold?: HoldOptions | false | undefined
  /**
   * `timeline`: a server that claims to be primary on a lower timeline than one already seen gets
   * no work. `off`: timelines and system identifiers are not read, for services that fence by
   * themselves and hide these functions; as long as two servers claim to be primary there is then
   * no primary. Default `timeline`.
   */
  fence?: 'timeline' | 'off' | undefined
  /**
   * Lowest timeline on which a primary is accepted, for example the one that an earlier process
   * saw. A stale primary is then fenced even if it is the only server that answers. An integer from
   * 1. Default: none. Not allowed with `fence: 'off'`.
   */
  minimumTimeline?: number | undefined
  /**
   * How many calls may be sent again while the primary stays the same, as a share of the calls of
   * the last ten seconds; at least one. Default 0.1. With 0 none may, with `Infinity` all.
   *
   * These repetitions use the budget up: work that a server refused (57P03, 25006), `retry` after a
   * lost connection, and declared reads. When the budget is used up the caller gets the error of
   * the last attempt. These are free: work that never reached a server, anything after a change of
   * the primary, `retry` after a serialization failure or a deadlock, and transactions with an
   * `idempotencyKey`.
   */
  retryBudget?: number | undefined
  /**
   * Source of time. Default: the system's monotonic clock.
   *
   * @example
   * withFailover(nodes, { clock: virtualClock() }) // of @poolhouse/core/testing
   */
  clock?: Clock | undefined
  /**
   * Source of randomness for jitter, from 0 (included) to 1 (excluded). Default `Math.random`.
   *
   * @example
   * withFailover(nodes, { random: () => 0.5 })
   */
  random?: (() => number) | undefined
}

/** Checked options, with defaults filled in. */
export interface FailoverConfig {
  readonly name: string
  readonly intervalMs: number
  readonly probeTimeoutMs: number
  readonly deadAfter: number
  readonly watchdog: { readonly silenceMs: number; readonly everyMs: number } | undefined
  readonly hold: { readonly timeoutMs: number; readonly maxCalls: number } | undefined
  readonly fence: 'timeline' | 'off'
  readonly minimumTimeline: number | undefined
  readonly retryBudget: number
  readonly clock: Clock
  readonly random: () => number
}

const WHERE = 'withFailover'
const KNOWN: ReadonlySet<string> = new Set([
  'name',
  'probe',
  'watchdog',
  'hold',
  'fence',
  'minimumTimeline',
  'retryBudget',
  'clock',
  'random',
])

/**
 * Checks the arguments of `withFailover`. Throws `TypeError` or `RangeError` that names the option
 * and the value.
 */
export function readFailoverOptions(source: NodeSource, options: FailoverOptions): FailoverConfig {
  checkSource(source)
  refuseUnknownOptions(WHERE, options, KNOWN)
  const { name, clock, random } = options
  if (name !== undefined) checkShownText(WHERE, 'name', name)
  if (clock !== undefined && typeof clock?.now !== 'function') {
    throw new TypeError(`${WHERE}: clock must be a clock, got ${describeValue(clock)}`)
  }
  if (random !== undefined && typeof random !== 'function') {
    throw new TypeError(`${WHERE}: random must be a function, got ${describeValue(random)}`)
  }
  const fence = checkWord(WHERE, 'fence', options.fence ?? 'timeline', ['timeline', 'off'])
  const probe = section('probe', options.probe, ['intervalMs', 'timeoutMs'])
  const watchdog = optionalSection('watchdog', options.watchdog, ['silenceMs', 'probes', 'everyMs'])
  const silenceMs = duration('watchdog.silenceMs', watchdog?.silenceMs, 2_000)
  return Object.freeze({
    name: name ?? `failover(${describeSource(source)})`,
    intervalMs: duration('probe.intervalMs', probe.intervalMs, 1_000),
    probeTimeoutMs: duration('probe.timeoutMs', probe.timeoutMs, 400),
    deadAfter: number('watchdog.probes', watchdog?.probes, 2, {
      min: 1,
      max: 1_000,
      integer: true,
    }),
    watchdog: watchdog && {
      silenceMs,
      everyMs: duration('watchdog.everyMs', watchdog.everyMs, silenceMs / 4),
    },
    hold: readHold(options.hold),
    fence,
    minimumTimeline: readMinimumTimeline(options.minimumTimeline, fence),
    retryBudget: number('retryBudget', options.retryBudget, 0.1, {
      min: 0,
      max: Number.POSITIVE_INFINITY,
    }),
    clock: clock ?? systemClock,
    random: random ?? Math.random,
  })
}

function readHold(given: HoldOptions | false | undefined): FailoverConfig['hold'] {
  const hold = optionalSection('hold', given, ['timeoutMs', 'maxCalls'])
  return (
    hold && {
      timeoutMs: duration('hold.timeoutMs', hold.timeoutMs, 10_000),
      maxCalls: number('hold.maxCalls', hold.maxCalls, 1_000, {
        min: 0,
        max: Number.POSITIVE_INFINITY,
        integer: true,
      }),
    }
  )
}

function readMinimumTimeline(
  given: number | undefined,
  fence: 'timeline' | 'off',
): number | undefined {
  if (given === undefined) return undefined
  if (fence === 'off') {
    throw new TypeError(
      `${WHERE}: minimumTimeline needs fence: "timeline", because timelines are not read with fence: "off"`,
    )
  }
  return checkNumber(WHERE, 'minimumTimeline', given, { min: 1, max: 0xffffffff, integer: true })
}

function section<Section extends object>(
  name: string,
  given: Section | undefined,
  known: readonly string[],
): Section {
  const value = given ?? ({} as Section)
  if (typeof value !== 'object' || Array.isArray(value)) {
    throw new TypeError(`${WHERE}: ${name} must be an object, got ${describeValue(value)}`)
  }
  refuseUnknownOptions(`${WHERE}: ${name}`, value, new Set(known))
  return value
}

function optionalSection<Section extends object>(
  name: string,
  given: Section | false | undefined,
  known: readonly string[],
): Section | undefined {
  if (given === false) return undefined
  if (given !== undefined && (given === null || typeof given !== 'object')) {
    throw new TypeError(`${WHERE}: ${name} must be an object or false, got ${describeValue(given)}`)
  }
  return section(name, given, known)
}

function number(
  name: string,
  given: number | undefined,
  fallback: number,
  rule: { min: number; max: number; integer?: boolean },
): number {
  return given === undefined ? fallback : checkNumber(WHERE, name, given, rule)
}

function duration(name: string, given: number | undefined, fallback: number): number {
  return number(name, given, fallback, { min: 1, max: MAX_MS })
}
