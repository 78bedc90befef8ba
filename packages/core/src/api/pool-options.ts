import type { Clock } from '../base/clock.js'
import { MAX_MS, systemClock } from '../base/clock.js'
import {
  checkBoolean,
  checkNumber,
  checkShownText,
  checkWord,
  describeValue,
  type NumberRule,
  refuseUnknownOptions,
} from '../base/option-check.js'
import {
  limitMultiplex,
  type MultiplexLimits,
  type MultiplexOptions,
  readMultiplex,
} from '../options/multiplex-options.js'
import { type OverloadOptions, readOverload } from '../options/overload-options.js'
import {
  type PoolWatchdogOptions,
  readWatchdog,
  type WatchdogLimits,
} from '../options/watchdog-options.js'
import type { AuthMethod } from '../settings/auth-method.js'
import { AUTH_METHODS } from '../settings/auth-method.js'
import {
  type ConnectionOptions,
  type ConnectionSettings,
  readConnectionSettings,
} from '../settings/connection-settings.js'
import { formatEndpoint } from '../settings/endpoint.js'
import { type TypeParsers, type TypesOption, typeParsers } from '../types/type-parsers.js'
import { type ConnectionBudget, readBudget } from './connection-budget.js'
import type { Driver, ErrorDetail } from './driver.js'
import type { Pooler } from './pooler.js'
import { checkPoolerSettings } from './pooler.js'
import type { AutoPrepare } from './statement-rules.js'
import { OPTIONS_OF_PG } from './words-of-pg.js'

/** When a session is reset between two borrowers. */
type ResetMode = 'auto' | 'always'

/**
 * Options of `createPool`. Durations are milliseconds; sizes count connections unless they say
 * otherwise.
 */
export interface PoolOptions {
  /** The adapter: `nodePostgres()` or another implementation of `Driver`. */
  driver: Driver
  /** One server: a URL in libpq form, or an object. */
  connection: string | ConnectionOptions
  /** Name for messages, events and statistics. Default `host:port/database`. */
  name?: string | undefined
  /** Most connections. Default 10. */
  max?: number | undefined
  /** Connections that are opened at once and kept. Default 0. */
  min?: number | undefined
  /**
   * Longest wait for a connection. Default 10 000. When it passes, `acquire()` rejects with
   * `AcquireTimeoutError`; a connection already being opened is kept for the next caller.
   */
  acquireTimeoutMs?: number | undefined
  /**
   * Whether callers are refused at once, with the `ConnectError`, when no wait can mend why no
   * connection opens: until the pool has connected once, an unknown host name, a server that does
   * not speak PostgreSQL's protocol and a TLS handshake that fails; at any time, a certificate that
   * cannot be verified, a server without TLS, a refused user or password and a missing database.
   * `false`: they wait within their deadline, for a name or a database that is still to be made.
   * A refused port and a server that starts (57P03) are retried within the deadline in any case.
   * Default true.
   */
  failFast?: boolean | undefined
  /** Longest time to open one connection, look-up to authentication. Default 5 000. */
  connectTimeoutMs?: number | undefined
  /**
   * Longest time for one statement; 0 for none. Default 60 000. Passing it cancels the statement on
   * the server.
   */
  statementTimeoutMs?: number | undefined
  /** How long a connection above `min` may be idle. Default 60 000; 0 for ever. */
  idleTimeoutMs?: number | undefined
  /**
   * How long a connection may live, less up to 10 % drawn at its birth. Default 30 minutes; 0 for
   * ever.
   */
  maxLifetimeMs?: number | undefined
  /** How many times a connection may be lent. Default `Infinity`. */
  maxUses?: number | undefined
  /** Most callers waiting; the next is refused with `PoolOverloadedError`. Default 1 000. */
  maxPending?: number | undefined
  /**
   * How long a lease may be out, and a stream or a copy may stand still, before a `leak` event.
   * Default 30 000; 0 for never.
   */
  leakWarningMs?: number | undefined
  /** Idle time after which a connection must prove itself before its next use. Default 10 000. */
  validateAfterIdleMs?: number | undefined
  /**
   * `auto` (default, the same as `{ maxAgeMs: 1000 }`): a statement with values and without a name
   * is prepared on each connection from its third use on, at most 100 for each, and parsed anew at
   * the latest `maxAgeMs` after it was parsed. Definitions that this pool changes count at once; of
   * those that others change, a statement may use the old parameter types for that long, and a
   * write may store by them. `{ maxAgeMs: 0 }` and `off`: only named statements are prepared.
   * Behind a pooler, declared or noticed, it is `off`, and names are ignored too.
   */
  prepare?: 'auto' | 'off' | PrepareOptions | undefined
  /**
   * `pgbouncer`: between the pool and the server stands PgBouncer in transaction mode, where each
   * transaction may run in another server session. Nothing is prepared and names of statements are
   * ignored; statements that change a session beyond their transaction (SET without LOCAL, LISTEN,
   * PREPARE, session advisory locks, temporary tables, …) are refused with `SessionStateError`; a
   * session whose `raw` was taken is closed instead of reset; `connection.parameters` are refused.
   * Left out (the default), it is `pgbouncer` if the connection looks like a pooler: a host name
   * whose first part ends in `-pooler`, the port of a vendor's pooler, `pgbouncer=true`. Else each
   * new connection is asked which server process answers, which costs one round trip. If it is
   * another one than was announced at log-in, a pooler stands in between: a `pooler` event tells,
   * and the pool works as with `pgbouncer` from then on. `none`: each connection has a server
   * session of its own (no pooler, or one in session mode); nothing is refused. Each new connection
   * is asked which server it leads to.
   */
  pooler?: Pooler | undefined
  /**
   * Parsers in place of the canonical ones, by OID or by name of a built-in type:
   * `{ int8: BigInt, numeric: Number }`. The parser of an element's type is used in its arrays as
   * well. Default: none, so that values come as `docs/types.md` says.
   */
  types?: TypesOption | undefined
  /**
   * How a server may ask us to log in: `none` (it lets us in without a question, as `trust` and
   * client certificates do), `password` (in clear text), `md5`, `scram-sha-256`. Default:
   * `require_auth` of the URL; else `['scram-sha-256']` when there is a password and TLS does not
   * verify the server, so that an impostor at the server's address can neither get the password nor
   * pass for the server; otherwise all. A server that asks for anything else is refused with
   * `AuthenticationError`.
   */
  requireAuth?: readonly AuthMethod[] | undefined
  /**
   * Sheds load when the queue does not drain: if even the shortest wait of `intervalMs` was above
   * `targetMs`, callers who have waited longer than twice the target get `PoolOverloadedError`
   * until a wait falls below it, and so do, at once, callers whose time is shorter than what the
   * last one had to wait. Default: off.
   */
  overload?: OverloadOptions | false | undefined
  /**
   * A bounded number of connections that this pool shares with others of its server; a manager has
   * one for each server. A caller then also waits, within its deadline, while the permits are out.
   * Default: none, so that `max` alone bounds the pool.
   */
  budget?: ConnectionBudget | undefined
  /**
   * When a session is reset between two borrowers. `auto` (default): when something shows that it
   * was changed, which is the text of a statement, the server's transaction status, a parameter
   * that the server reports, or that `raw` was taken. What a function changed without any of these
   * is not seen. `always`: also in front of each borrower's first statement, in one piece with it
   * and without a round trip; a session that cannot be reset is destroyed, and the statement runs
   * on another one; only the holder of a lease is told, by an error with `executed: 'no'`. Refused
   * together with `pooler: 'pgbouncer'`; where a pooler is noticed no connection is opened.
   */
  reset?: ResetMode | undefined
  /**
   * Whether errors of the server carry its `detail`, `hint` and `where`, which may repeat values of
   * rows and statements. `drop` keeps them out of every error, cause and event, over every driver;
   * SQLSTATE, message, position and names of tables, columns, types and constraints stay, and of
   * the text of the statement all but its strings. The message itself may hold a value too, as in
   * `invalid input syntax for type integer: "x"`. Default `keep`.
   */
  errorDetail?: ErrorDetail | undefined
  /**
   * Finds connections that are half open: their server's side has vanished and new ones work, as
   * after a NAT time-out. When a busy connection has heard nothing for `silenceMs` (default 2 000),
   * the server is asked about its session, over a connection of its own outside `max`, and is given
   * `timeoutMs` (default 400) and the time of a connect for each answer. If the session is gone
   * there, or waits for us in two answers, the connection is destroyed: its call rejects with
   * `ConnectionLostError` (`executed: 'unknown'`), and callers who wait get new connections. A
   * statement at work is left alone, however slow, and so is a `copyFrom` of whose data anything
   * arrives between two answers that are `silenceMs` and half a second apart. Nothing is asked
   * behind a pooler, or where the server does not say who it is. `false`: never, so that such a
   * call ends at its own deadline. In a pool that is given to `withFailover`, the `watchdog` option
   * of that one rules.
   */
  watchdog?: PoolWatchdogOptions | false | undefined
  /**
   * Whether `query()` shares a few connections with other callers, so that many short reads travel
   * together. `auto`: as many connections as they need, with at most 256 statements in flight on
   * each; an object sets these numbers. Only a single statement that reads shares: its functions
   * and operators are known built-in ones that leave the session alone, and it was quick on a
   * connection of its own before. Each is a transaction of its own with an answer or error of its
   * own. Everything else has a connection to itself: writes, `acquire`, `use`, `transaction`,
   * `stream`, COPY, LISTEN, and with `false` every statement. Nothing is shared behind a pooler,
   * declared or noticed. An object is refused over a driver that sends one statement at a time, and
   * both `auto` and an object together with `reset: 'always'`. Default `auto`, which steps aside
   * there.
   */
  multiplex?: 'auto' | MultiplexOptions | false | undefined
  /** Time source; tests give a virtual one. Default: the system's monotonic clock. */
  clock?: Clock | undefined
  /** Random source from 0 (included) to 1 (excluded), for jitter. Default `Math.random`. */
  random?: (() => number) | undefined
}

/** How statements without a name are prepared. */
export interface PrepareOptions {
  /**
   * Longest time that a prepared statement is used after it was parsed, however often it is used,
   * in milliseconds. Default 1 000; 0 prepares none. It bounds how long changes of types, tables
   * and functions that are not made through the pool can go unseen.
   */
  maxAgeMs: number
}

/** Sizes that `resize` changes. */
export interface ResizeOptions {
  /** Most connections. */
  max?: number | undefined
  /** Connections kept open. */
  min?: number | undefined
}

type NumericOption =
  | 'max'
  | 'min'
  | 'acquireTimeoutMs'
  | 'connectTimeoutMs'
  | 'statementTimeoutMs'
  | 'idleTimeoutMs'
  | 'maxLifetimeMs'
  | 'maxUses'
  | 'maxPending'
  | 'leakWarningMs'
  | 'validateAfterIdleMs'

/** What `reconfigure` changes; everything else needs a new pool. */
export type ReconfigureOptions = Partial<
  Pick<PoolOptions, 'connection' | 'watchdog' | 'multiplex' | NumericOption>
>

/** Options with every default filled in and everything checked. */
export interface PoolConfig extends Readonly<Record<NumericOption, number>> {
  readonly driver: Driver
  readonly settings: ConnectionSettings
  readonly name: string
  readonly prepare: AutoPrepare | undefined
  readonly pooler: Pooler | undefined
  readonly types: TypeParsers
  readonly requireAuth: readonly AuthMethod[] | undefined
  readonly overload: OverloadOptions | undefined
  readonly budget: ConnectionBudget | undefined
  readonly reset: ResetMode
  readonly errorDetail: ErrorDetail
  readonly failFast: boolean
  readonly watchdog: WatchdogLimits | undefined
  /** How callers share connections, within `max`; undefined if each has one of its own. */
  readonly multiplex: MultiplexLimits | undefined
  /** What the option asks for, from which `multiplex` follows when `max` changes. */
  readonly multiplexAsked: MultiplexLimits | undefined
  readonly clock: Clock
  readonly random: () => number
}

const WHERE = 'createPool'

const NUMERIC: Readonly<Record<NumericOption, NumberRule & { default: number }>> = {
  max: { default: 10, min: 1, max: 10_000, integer: true },
  min: { default: 0, min: 0, max: 10_000, integer: true },
  acquireTimeoutMs: { default: 10_000, min: 1, max: MAX_MS },
  connectTimeoutMs: { default: 5_000, min: 1, max: MAX_MS },
  statementTimeoutMs: { default: 60_000, min: 0, max: MAX_MS },
  idleTimeoutMs: { default: 60_000, min: 0, max: MAX_MS },
  maxLifetimeMs: { default: 30 * 60_000, min: 0, max: MAX_MS },
  maxUses: {
    default: Number.POSITIVE_INFINITY,
    min: 1,
    max: Number.POSITIVE_INFINITY,
    integer: true,
  },
  maxPending: { default: 1_000, min: 1, max: Number.POSITIVE_INFINITY, integer: true },
  leakWarningMs: { default: 30_000, min: 0, max: MAX_MS },
  validateAfterIdleMs: { default: 10_000, min: 0, max: MAX_MS },
}
const NUMERIC_NAMES = Object.keys(NUMERIC) as NumericOption[]
const KNOWN: ReadonlySet<string> = new Set([
  'driver',
  'connection',
  'name',
  'prepare',
  'pooler',
  'types',
  'requireAuth',
  'overload',
  'budget',
  'reset',
  'errorDetail',
  'failFast',
  'watchdog',
  'multiplex',
  'clock',
  'random',
  ...NUMERIC_NAMES,
])
const RECONFIGURABLE: ReadonlySet<string> = new Set([
  'connection',
  'watchdog',
  'multiplex',
  ...NUMERIC_NAMES,
])

/**
 * Checks the options of `createPool` and fills in the defaults. Throws `TypeError` or `RangeError`
 * naming option and value.
 */
export function readPoolOptions(options: PoolOptions): PoolConfig {
  if (typeof options === 'string') {
    throw new TypeError(
      `${WHERE}: options must be an object such as { driver: nodePostgres(), connection: url }, got ${describeValue(options)}`,
    )
  }
  refuseUnknownOptions(WHERE, options, KNOWN, OPTIONS_OF_PG)
  checkDriver(options.driver)
  if (options.name !== undefined) checkShownText(WHERE, 'name', options.name)
  const settings = readConnectionSettings(WHERE, options.connection, options.name)
  const pooler = readPooler(WHERE, options.pooler, settings)
  const config = {
    driver: options.driver,
    settings,
    name: options.name ?? formatEndpoint(settings.endpoint),
    prepare: readPrepare(options.prepare, pooler, options.pooler === undefined, settings),
    pooler,
    types: typeParsers(options.types, WHERE),
    requireAuth: readRequireAuth(options.requireAuth),
    overload: readOverload(WHERE, options.overload),
    budget: readBudget(WHERE, options.budget),
    reset: readReset(options.reset, pooler),
    watchdog: readWatchdog(WHERE, options.watchdog),
    errorDetail: checkWord(WHERE, 'errorDetail', options.errorDetail ?? 'keep', ['keep', 'drop']),
    failFast: checkBoolean(WHERE, 'failFast', options.failFast ?? true),
    clock: options.clock ?? systemClock,
    random: options.random ?? Math.random,
    ...readNumbers(WHERE, { ...settings.pool, ...given(options) }, undefined),
  }
  checkSizes(WHERE, config)
  return withMultiplex(config, readMultiplex(WHERE, options.multiplex, config))
}

function withMultiplex(
  config: Omit<PoolConfig, 'multiplex' | 'multiplexAsked'>,
  asked: MultiplexLimits | undefined,
): PoolConfig {
  const multiplex = limitMultiplex(asked, config.max)
  return Object.freeze({ ...config, multiplex, multiplexAsked: asked })
}

/**
 * Applies `reconfigure` or `resize` to a configuration. Throws like `readPoolOptions` and then
 * changes nothing.
 */
export function changePoolConfig(
  where: string,
  config: PoolConfig,
  changes: ReconfigureOptions,
): PoolConfig {
  refuseUnknownOptions(where, changes, RECONFIGURABLE)
  const changed = {
    ...config,
    ...readNumbers(where, changes, config),
    watchdog:
      changes.watchdog === undefined ? config.watchdog : readWatchdog(where, changes.watchdog),
    settings:
      changes.connection === undefined
        ? config.settings
        : readConnectionSettings(where, changes.connection, config.name),
  }
  checkSizes(where, changed)
  if (changed.pooler === 'pgbouncer') checkPoolerSettings(where, changed.pooler, changed.settings)
  const asked =
    changes.multiplex === undefined
      ? config.multiplexAsked
      : readMultiplex(where, changes.multiplex, changed)
  return withMultiplex(changed, asked)
}

/** The options that are there; one that is undefined says nothing. */
function given(options: object): Partial<Record<NumericOption, unknown>> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
}

function readNumbers(
  where: string,
  options: Partial<Record<NumericOption, unknown>>,
  current: PoolConfig | undefined,
): Pick<PoolConfig, NumericOption> {
  const numbers = {} as Record<NumericOption, number>
  for (const name of NUMERIC_NAMES) {
    const rule = NUMERIC[name]
    const value = options[name]
    numbers[name] =
      value === undefined
        ? (current?.[name] ?? rule.default)
        : checkNumber(where, name, value, rule)
  }
  return numbers
}

const AUTO_PREPARE: AutoPrepare = Object.freeze({ after: 3, max: 100, maxAgeMs: 1_000 })

function readPrepare(
  prepare: unknown,
  pooler: Pooler | undefined,
  isTaken: boolean,
  settings: ConnectionSettings,
): AutoPrepare | undefined {
  const isDirect = pooler === undefined || pooler === 'none'
  const given = prepare ?? (isDirect ? (settings.pool.prepare ?? 'auto') : 'off')
  const rules = readPrepareRules(given)
  if (rules === undefined || isDirect) return rules
  throw new TypeError(
    `${WHERE}: prepare must be 'off' or left out with pooler '${pooler}'${isTaken ? takenFrom(settings) : ''}, got ${describeValue(prepare)}: a prepared statement lives in one server session`,
  )
}

function readPrepareRules(prepare: unknown): AutoPrepare | undefined {
  if (typeof prepare !== 'object' || prepare === null || Array.isArray(prepare)) {
    if (prepare !== 'auto' && prepare !== 'off') {
      throw new TypeError(
        `${WHERE}: prepare must be 'auto', 'off' or an object such as { maxAgeMs: 1000 }, got ${describeValue(prepare)}`,
      )
    }
    return prepare === 'off' ? undefined : AUTO_PREPARE
  }
  refuseUnknownOptions(`${WHERE}: prepare`, prepare, new Set(['maxAgeMs']))
  const { maxAgeMs = AUTO_PREPARE.maxAgeMs } = prepare as { maxAgeMs?: unknown }
  const age = checkNumber(WHERE, 'prepare.maxAgeMs', maxAgeMs, { min: 0, max: MAX_MS })
  return age === 0 ? undefined : Object.freeze({ ...AUTO_PREPARE, maxAgeMs: age })
}

/** The pooler that is respected: what the option says, else what the connection looks like. */
function readPooler(
  where: string,
  pooler: unknown,
  settings: ConnectionSettings,
): Pooler | undefined {
  if (pooler === undefined) {
    if (settings.pooledBy === undefined) return undefined
    checkPoolerSettings(where, 'pgbouncer', settings, takenFrom(settings))
    return 'pgbouncer'
  }
  const word = checkWord(where, 'pooler', pooler, ['pgbouncer', 'none'])
  if (word !== 'none') checkPoolerSettings(where, word, settings)
  return word
}

/** Where a pooler comes from that no option names. */
function takenFrom({ pooledBy }: ConnectionSettings): string {
  return ` (taken from the connection: ${pooledBy}; the option pooler goes before it)`
}

function readReset(reset: unknown, pooler: Pooler | undefined): ResetMode {
  const word = checkWord(WHERE, 'reset', reset ?? 'auto', ['auto', 'always'])
  if (word === 'auto' || pooler !== 'pgbouncer') return word
  throw new TypeError(
    `${WHERE}: reset must be 'auto' or left out with pooler '${pooler}', got "always": the session that is reset may be another one than that of the next statement`,
  )
}

function readRequireAuth(methods: unknown): readonly AuthMethod[] | undefined {
  if (methods === undefined) return undefined
  if (!Array.isArray(methods) || methods.length === 0) {
    throw new TypeError(
      `${WHERE}: requireAuth must be a non-empty array such as ['scram-sha-256'], got ${Array.isArray(methods) ? 'an empty one' : describeValue(methods)}`,
    )
  }
  return Object.freeze(
    methods.map((method) => checkWord(WHERE, 'requireAuth', method, AUTH_METHODS)),
  )
}

function checkSizes(where: string, config: Pick<PoolConfig, 'min' | 'max'>): void {
  if (config.min > config.max) {
    throw new RangeError(`${where}: min (${config.min}) must not exceed max (${config.max})`)
  }
}

function checkDriver(driver: unknown): void {
  const connect = (driver as Partial<Driver> | null | undefined)?.connect
  if (typeof connect !== 'function') {
    throw new TypeError(
      `${WHERE}: driver must be a driver such as nodePostgres(), got ${typeof driver === 'function' ? 'a function; did you forget to call it?' : describeValue(driver)}`,
    )
  }
}
