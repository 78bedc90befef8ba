import { MAX_MS } from '../base/clock.js'
import type { AuthMethod } from './auth-method.js'
import { AUTH_METHODS } from './auth-method.js'
import type { ParameterReader } from './parameter-reader.js'

/** Options of the pool that a URL gives. The same options of `createPool` go before them. */
export interface UrlPoolSettings {
  /** `require_auth`: how a server may ask us to log in. */
  readonly requireAuth?: readonly AuthMethod[] | undefined
  /** `pgbouncer=true`. */
  readonly pooler?: 'pgbouncer' | undefined
  /** `prepare=false`, `statement_cache_size=0`. */
  readonly prepare?: 'off' | undefined
  /** `max`, `connection_limit`. */
  readonly max?: number | undefined
  /** `connect_timeout`. */
  readonly connectTimeoutMs?: number | undefined
  /** `pool_timeout`. */
  readonly acquireTimeoutMs?: number | undefined
  /** `socket_timeout`, `query_timeout`. */
  readonly statementTimeoutMs?: number | undefined
  /** `idle_timeout`, `max_idle_connection_lifetime`. */
  readonly idleTimeoutMs?: number | undefined
  /** `max_lifetime`, `max_connection_lifetime`. */
  readonly maxLifetimeMs?: number | undefined
}

const MOST = 10_000
const INT = 0x7fffffff

/** What the parameters say about the pool. */
export function readPoolParameters(parameters: ParameterReader): UrlPoolSettings {
  const limit = parameters.oneOf('max', 'connection_limit')
  const isUnprepared = parameters.flag('prepare') === false || hasNoCache(parameters)
  const options: UrlPoolSettings = {
    requireAuth: readRequireAuth(parameters),
    pooler: parameters.flag('pgbouncer') === true ? 'pgbouncer' : undefined,
    prepare: isUnprepared ? 'off' : undefined,
    max: limit && parameters.integer(...limit, 1, MOST),
    connectTimeoutMs: seconds(parameters, MAX_MS, 'connect_timeout'),
    acquireTimeoutMs: seconds(parameters, MAX_MS, 'pool_timeout'),
    statementTimeoutMs: readStatementTimeout(parameters),
    idleTimeoutMs: seconds(parameters, 0, 'idle_timeout', 'max_idle_connection_lifetime'),
    maxLifetimeMs: seconds(parameters, 0, 'max_lifetime', 'max_connection_lifetime'),
  }
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
}

function hasNoCache(parameters: ParameterReader): boolean {
  const size = parameters.get('statement_cache_size')
  return size !== undefined && parameters.integer('statement_cache_size', size, 0, INT) === 0
}

function readStatementTimeout(parameters: ParameterReader): number | undefined {
  const given = parameters.oneOf('socket_timeout', 'query_timeout')
  if (given?.[0] !== 'query_timeout') return seconds(parameters, 0, 'socket_timeout')
  return parameters.integer(...given, 0, MAX_MS)
}

/**
 * Seconds as milliseconds. `none` stands for 0 and less, which all of these programs take for no
 * limit.
 */
function seconds(
  parameters: ParameterReader,
  none: number,
  ...names: readonly string[]
): number | undefined {
  const given = parameters.oneOf(...names)
  if (given === undefined) return undefined
  const value = parameters.integer(...given, -INT, INT)
  return value <= 0 ? none : Math.min(value * 1_000, MAX_MS)
}

/** libpq's list: methods that are accepted, or, each with a "!", methods that are not. */
function readRequireAuth(parameters: ParameterReader): readonly AuthMethod[] | undefined {
  const text = parameters.get('require_auth')
  if (text === undefined) return undefined
  const words = text.split(',').map((word) => word.trim())
  const refused = words.filter((word) => word.startsWith('!')).map((word) => word.slice(1))
  const named = refused.length === 0 ? words : refused
  const known = AUTH_METHODS.filter((method) => named.includes(method))
  // Methods that are never spoken may be refused, too.
  const other = refused.filter((word) => UNSPOKEN.has(word)).length
  if (refused.length % words.length !== 0 || known.length + other !== words.length) {
    parameters.fail(
      `${parameters.said('require_auth')} must list each once of ${AUTH_METHODS.join(', ')}, all of them or none with a "!"`,
    )
  }
  return refused.length === 0 ? known : AUTH_METHODS.filter((method) => !known.includes(method))
}

const UNSPOKEN: ReadonlySet<string> = new Set(['gss', 'sspi', 'oauth'])
