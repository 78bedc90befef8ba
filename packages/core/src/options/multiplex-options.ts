import {
  checkNumber,
  describeValue,
  type NumberRule,
  refuseUnknownOptions,
} from '../base/option-check.js'

/**
 * How many connections callers share, and how much each may carry.
 *
 * @example
 * createPool({ driver, connection, multiplex: { connections: 4, maxInFlight: 100 } })
 */
export interface MultiplexOptions {
  /**
   * Most connections that are shared at one time. Default: `max`; more than that is refused. After
   * a `resize` below it, it is the new `max`.
   */
  connections?: number | undefined
  /**
   * Most statements that are sent on one of them and not yet answered, from 1 to 10 000. Default
   * 256. Further callers wait until one is answered.
   */
  maxInFlight?: number | undefined
}

/** The same, checked and with the defaults. */
export interface MultiplexLimits {
  readonly connections: number
  readonly maxInFlight: number
}

/** What `multiplex` is in a pool that does not give it. */
export const MULTIPLEX_DEFAULT: 'auto' | false = 'auto'

/** Most connections that `auto` shares: as many as any pool may have, so that `max` decides. */
export const AUTO_CONNECTIONS = 10_000
/** Most statements in flight on one connection that `auto` shares. */
export const AUTO_IN_FLIGHT = 256

/** Which other options of a pool decide whether its callers can share connections. */
interface Surroundings {
  readonly max: number
  readonly reset: 'auto' | 'always'
  readonly pooler: 'pgbouncer' | 'none' | undefined
  readonly driver: {
    readonly name: string
    readonly capabilities?: { readonly pipeline: boolean } | undefined
  }
}

const AUTO: MultiplexLimits = Object.freeze({
  connections: AUTO_CONNECTIONS,
  maxInFlight: AUTO_IN_FLIGHT,
})
const RULE: NumberRule = { min: 1, max: 10_000, integer: true }
const KNOWN: ReadonlySet<string> = new Set(['connections', 'maxInFlight'])

/**
 * Checks the option `multiplex`, and returns what it asks for; undefined for no sharing. Throws
 * `TypeError` or `RangeError`.
 *
 * Behind a pooler, declared or noticed later, each statement has a connection of its own whatever
 * is asked for. `auto` also steps aside over a driver that sends one statement at a time, where an
 * object is refused. With `reset: 'always'` both are refused, and only the default steps aside.
 */
export function readMultiplex(
  where: string,
  multiplex: unknown,
  around: Surroundings,
): MultiplexLimits | undefined {
  const { reset, pooler, driver } = around
  const asked = multiplex === undefined ? MULTIPLEX_DEFAULT : multiplex
  if (asked === false) return undefined
  const limits = asked === 'auto' ? AUTO : readLimits(where, asked, around.max)
  if (reset === 'always') {
    if (multiplex === undefined) return undefined
    throw new TypeError(
      `${where}: multiplex must be false or left out with reset 'always', got ${describeValue(multiplex)}: callers that share a session cannot each have it reset first`,
    )
  }
  const pipelines = driver.capabilities?.pipeline === true
  if (!pipelines && asked !== 'auto') {
    throw new TypeError(
      `${where}: multiplex must be 'auto', false or left out with driver ${driver.name}, got ${describeValue(multiplex)}: it sends one statement at a time (capabilities.pipeline is not true)`,
    )
  }
  return pipelines && pooler !== 'pgbouncer' ? limits : undefined
}

function readLimits(where: string, multiplex: unknown, max: number): MultiplexLimits {
  if (typeof multiplex !== 'object' || multiplex === null || Array.isArray(multiplex)) {
    throw new TypeError(
      `${where}: multiplex must be 'auto', false or an object such as { connections: 4, maxInFlight: 100 }, got ${describeValue(multiplex)}${multiplex === true ? "; 'auto' shares connections" : ''}`,
    )
  }
  refuseUnknownOptions(`${where}: multiplex`, multiplex, KNOWN)
  const { connections = AUTO_CONNECTIONS, maxInFlight = AUTO_IN_FLIGHT } =
    multiplex as MultiplexOptions
  const limits = Object.freeze({
    connections: checkNumber(where, 'multiplex.connections', connections, RULE),
    maxInFlight: checkNumber(where, 'multiplex.maxInFlight', maxInFlight, RULE),
  })
  const isGiven = (multiplex as MultiplexOptions).connections !== undefined
  if (isGiven && connections > max) {
    throw new RangeError(
      `${where}: multiplex.connections (${connections}) must not exceed max (${max})`,
    )
  }
  return limits
}

/** What is asked for, with no more connections than the pool may have. */
export function limitMultiplex(
  asked: MultiplexLimits | undefined,
  max: number,
): MultiplexLimits | undefined {
  if (asked === undefined || asked.connections <= max) return asked
  return Object.freeze({ ...asked, connections: max })
}
