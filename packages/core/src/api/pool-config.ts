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
  readMultiplex,
} from '../options/multiplex-options.js'
import { type OverloadOptions, readOverload } from '../options/overload-options.js'
import { readWatchdog, type WatchdogLimits } from '../options/watchdog-options.js'
import type { AuthMethod } from '../settings/auth-method.js'
import { AUTH_METHODS } from '../settings/auth-method.js'
import { type ConnectionSettings, readConnectionSettings } from '../settings/connection-settings.js'
import { formatEndpoint } from '../settings/endpoint.js'
import { type TypeParsers, typeParsers } from '../types/type-parsers.js'
import { type ConnectionBudget, readBudget } from './connection-budget.js'
import type { Driver, ErrorDetail } from './driver.js'
import type { NumericOption, PoolOptions, ReconfigureOptions, ResetMode } from './pool-options.js'
import type { Pooler } from './pooler.js'
import { checkPoolerSettings } from './pooler.js'
import type { AutoPrepare } from './statement-rules.js'
import { OPTIONS_OF_PG } from './words-of-pg.js'

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
