import { ConfigError, type Pool, type QueryOptions } from '@poolhouse/core'
import {
  checkBoolean,
  checkQueryOptions,
  checkWord,
  describeValue,
  driverOf,
  MAX_MS,
  refuseUnknownOptions,
} from '@poolhouse/core/kit'
import { versionBeside, versionOfModule } from '@poolhouse/core/net'
import bundledPostgres from 'postgres'
import { OWN_OPTIONS } from '../own-options.js'
import { moduleOf, type PostgresLike, type PostgresNamespace, readModule } from '../postgres-js.js'
import type { PostgresModule } from '../postgres-module.js'
import { ArrayTypes } from './array-types.js'
import { reserveLazily } from './lazy-reservation.js'
import { ParameterTypes } from './parameter-types.js'
import { type BaseSql, classesOf, type SqlOptions } from './postgres-query.js'
import { QueryRunner } from './query-runner.js'
import { reserveEagerly } from './reserved-sql.js'
import type { RoutedSql } from './routed-sql.js'
import { sqlScope } from './sql-scope.js'
import { targetOver } from './sql-target.js'
import { beginTransaction } from './sql-transaction.js'
import { StatementWriter } from './write-statement.js'

/**
 * What reads of a routed `sql` accept, as in `reader()` of a pool with replicas.
 *
 * @example
 * createRoutedSql(jsDb, { reads: { maxStalenessMs: 1_000, maxStalenessBytes: 1_048_576 } })
 */
export interface RoutedReads {
  /** Oldest data that a read accepts, in milliseconds. Default: that of the pool. */
  readonly maxStalenessMs?: number | undefined
  /**
   * Most write-ahead log that a replica may have left to replay, in bytes. Default: that of the
   * pool.
   */
  readonly maxStalenessBytes?: number | undefined
}

/**
 * Options of `createRoutedSql`.
 *
 * @example
 * import postgres from 'postgres'
 *
 * const sql = createRoutedSql(jsDb, {
 *   postgres,
 *   reads: { maxStalenessMs: 1_000 },
 *   checkout: 'lazy',
 *   types: { bigint: postgres.BigInt },
 *   transform: postgres.camel,
 *   debug: true,
 *   fetch_types: false,
 * })
 */
export interface RoutedSqlOptions {
  /**
   * The application's copy of `postgres`, whose classes queries, helpers and errors have. Default:
   * the copy that the driver of the pool uses.
   */
  postgres?: PostgresLike | PostgresNamespace | undefined
  /**
   * Where reads go. `auto`: a statement that the pool's `classify` takes for a read goes to a
   * replica that has everything that this `sql` has written. `primary`: all to the primary. An
   * object says in addition to `auto` how old the data may be. Default `auto`.
   */
  reads?: 'auto' | 'primary' | RoutedReads | undefined
  /**
   * What `reserve()` gives: `eager` a connection of the primary; `lazy` one that takes a connection
   * only for transactions and session settings, and routes each other statement. Default `eager`.
   */
  checkout?: 'eager' | 'lazy' | undefined
  /** Types of the application, as postgres.js takes them. Default: none beyond its own. */
  types?: Readonly<Record<string, unknown>> | undefined
  /** Transforms of the application, as postgres.js takes them. Default: none. */
  transform?: object | undefined
  /** Whether errors show query and values, as in postgres.js. Default false. */
  debug?: boolean | undefined
  /** Whether to ask the database once for its array types, as in postgres.js. Default true. */
  fetch_types?: boolean | undefined
}

const WHERE = 'createRoutedSql'
const KNOWN: ReadonlySet<string> = new Set([
  'postgres',
  'reads',
  'checkout',
  'types',
  'transform',
  'debug',
  'fetch_types',
])
// Versions whose inside was compared with what is used here.
const TRIED: ReadonlySet<string> = new Set(['3.4.9'])

const REFUSED: Readonly<Record<string, string>> = {
  close: 'the pool opens and closes its connections; sql.end() closes the pool',
  subscribe: 'open an instance of postgres.js of your own for logical replication',
  largeObject:
    'use sql.begin and the functions lo_open, loread and lowrite, which keep their descriptor in the transaction',
}

/**
 * Makes the function `sql` of postgres.js over a pool, for Drizzle's and Kysely's drivers of
 * postgres.js and for code of your own: queries are routed by the pool, `begin('read only')` may
 * run on a replica, and everything else on the primary. Reads see what was written through the same
 * `sql`. `pool` may be any pool whose connections come from `postgresJs()`.
 *
 * Throws `TypeError` and `RangeError` for wrong options, and `ConfigError` for a pool over another
 * driver and for a version of postgres.js that has not been tried.
 *
 * @example
 * import { drizzle } from 'drizzle-orm/postgres-js'
 *
 * const db = drizzle({ client: createRoutedSql(pool) })
 */
export function createRoutedSql(pool: Pool, options: RoutedSqlOptions = {}): RoutedSql {
  checkPool(pool)
  refuseUnknownOptions(WHERE, options, KNOWN)
  const { checkout = 'eager' } = options
  checkWord(WHERE, 'checkout', checkout, ['eager', 'lazy'])
  if (options.debug !== undefined) checkBoolean(WHERE, 'debug', options.debug)
  if (options.fetch_types !== undefined) checkBoolean(WHERE, 'fetch_types', options.fetch_types)
  const limits = readReads(options.reads)
  const postgres = moduleFor(pool, options.postgres)
  const base = baseSql(postgres, pool, options)
  const classes = classesOf(base)
  if (classes === undefined) throw notTried('of this build')
  const sqlOptions = base.options as unknown as SqlOptions
  const session = sessionOf(pool)
  const writer = new StatementWriter(classes, sqlOptions)
  const arrays = new ArrayTypes(sqlOptions, pool)
  const runner = new QueryRunner(base, writer, arrays, new ParameterTypes())
  const target = targetOver(session, limits, (work) => session.use(work))
  const parts = { base, runner, writer, pool: session, target, limits }
  const sql = sqlScope(base, runner, () => target, { inOrder: false })
  Object.defineProperty(sql, 'parameters', { get: () => base.options['parameters'] })
  for (const [name, instead] of Object.entries(REFUSED)) sql[name] = refuse(name, instead)
  return Object.assign(sql, {
    CLOSE: base.CLOSE,
    END: base.CLOSE,
    PostgresError: base.PostgresError,
    options: base.options,
    begin: async (modes: unknown, work?: unknown) => {
      await known(arrays, runner)
      return await (work === undefined
        ? beginTransaction(parts, '', modes)
        : beginTransaction(parts, modes, work))
    },
    reserve: async () => {
      await known(arrays, runner)
      return checkout === 'lazy' ? reserveLazily(parts) : await reserveEagerly(parts)
    },
    listen: async (channel: string, heard: (payload: string) => void, again?: () => void) => {
      const subscription = await pool
        .listen(channel, (payload) => heard(payload), { onGap: () => again?.() })
        .catch((error: unknown) => {
          throw runner.translate(error)
        })
      again?.()
      return { state: null, unlisten: () => subscription.close() }
    },
    end: async ({ timeout }: { timeout?: number | null } = {}) => {
      const timeoutMs = timeout === undefined || timeout === null ? MAX_MS : timeout * 1_000
      await pool.close({ timeoutMs, waiters: 'serve' })
    },
  }) as unknown as RoutedSql
}

async function known(arrays: ArrayTypes, runner: QueryRunner): Promise<void> {
  await arrays.known().catch((error: unknown) => {
    throw runner.translate(error)
  })
}

function checkPool(pool: unknown): void {
  const { query, acquire, close } = (pool ?? {}) as Partial<Pool>
  if (typeof query === 'function' && typeof acquire === 'function' && typeof close === 'function') {
    return
  }
  throw new TypeError(
    `${WHERE}: pool must be a pool of Poolhouse, such as createPool() makes, got ${describeValue(pool)}`,
  )
}

function readReads(reads: unknown): QueryOptions | undefined {
  if (reads === undefined || reads === 'auto') return undefined
  if (reads === 'primary') return { intent: 'write' }
  if (reads === null || typeof reads !== 'object') {
    throw new TypeError(
      `${WHERE}: reads must be "auto", "primary" or an object such as { maxStalenessMs }, got ${describeValue(reads)}`,
    )
  }
  refuseUnknownOptions(`${WHERE}: reads`, reads, new Set(['maxStalenessMs', 'maxStalenessBytes']))
  const { maxStalenessMs, maxStalenessBytes } = reads as RoutedReads
  checkQueryOptions({ maxStalenessMs, maxStalenessBytes })
  return { maxStalenessMs, maxStalenessBytes }
}

/** Reads see the writes of this `sql`: they are one session of a pool that has sessions. */
function sessionOf(pool: Pool): Pool {
  const { session } = pool as { session?: () => Pool }
  return typeof session === 'function' ? session.call(pool) : pool
}

function moduleFor(pool: Pool, given: RoutedSqlOptions['postgres']): PostgresModule {
  const driver = driverOf(pool)
  const used = driver === undefined ? undefined : moduleOf(driver)
  if (driver !== undefined && used === undefined) {
    throw new ConfigError(
      `${WHERE}: pool "${pool.name}" is over the driver "${driver.name}"; only connections of postgresJs() can be an sql of postgres.js: make the pool with createPool({ driver: postgresJs(), … })`,
    )
  }
  const postgres =
    given === undefined ? (used ?? readModule(WHERE, bundledPostgres)) : readModule(WHERE, given)
  const version =
    versionOfModule(postgres, 'postgres') ??
    (given === undefined ? versionBeside(import.meta.url, 'postgres') : undefined)
  if (version !== undefined && !TRIED.has(version)) throw notTried(version)
  return postgres
}

function notTried(version: string): ConfigError {
  return new ConfigError(
    `${WHERE}: postgres ${version} has not been tried with it, and it relies on the inside of postgres.js; install postgres@${[...TRIED].join(' or ')}, or use the pool itself (pool.query), which every postgres from 3.4.9 on serves`,
  )
}

/** An instance that makes queries and never connects. */
function baseSql(postgres: PostgresModule, pool: Pool, options: RoutedSqlOptions): BaseSql {
  const { types = {}, transform, debug = false, fetch_types = true } = options
  const base = postgres({
    ...OWN_OPTIONS,
    host: 'routed',
    database: pool.name,
    debug,
    fetch_types,
    no_subscribe: true,
    types,
    ...(transform !== undefined && { transform }),
    socket: () => {
      throw new Error(`${WHERE}: a query has passed the routed sql by`)
    },
  })
  return base as unknown as BaseSql
}

function refuse(name: string, instead: string): () => Promise<never> {
  return () => {
    const refusal = Promise.reject<never>(
      new TypeError(`sql.${name} does not work on a routed sql: ${instead}`),
    )
    refusal.catch(() => undefined)
    return refusal
  }
}
