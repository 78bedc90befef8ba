import type { Driver } from '@poolhouse/core'
import { type DriverConnection, refuseUnknownOptions } from '@poolhouse/core/kit'
import { connectSession, isOlder, versionBeside, versionOfModule } from '@poolhouse/core/net'
import bundledPostgres, { type Sql } from 'postgres'
import { instanceMaker, makeTemplate } from './instance.js'
import { libraryOf } from './library.js'
import type { InstanceOptions, PostgresModule } from './postgres-module.js'

/** The module `postgres`, described by its shape: a function with the property `PostgresError`. */
export interface PostgresLike {
  /** Makes an instance. */
  (options?: never): unknown
  /** Class of the server's errors. */
  readonly PostgresError: unknown
}

/** The namespace of `postgres`: `import * as postgres` or `await import('postgres')`. */
export interface PostgresNamespace {
  /** The module itself. */
  readonly default: PostgresLike
}

/**
 * Options of `postgresJs`.
 *
 * @example
 * import postgres from 'postgres'
 *
 * const pool = createPool({ driver: postgresJs({ postgres }), connection })
 */
export interface PostgresJsOptions {
  /**
   * The copy of `postgres` to use: the default export or the whole namespace. Default: the copy
   * that this package finds. Pass the application's copy if there may be several.
   */
  postgres?: PostgresLike | PostgresNamespace | undefined
}

const KNOWN_OPTIONS: ReadonlySet<string> = new Set(['postgres'])
const NEEDED = [3, 4, 9] as const

/**
 * Returns the driver over `postgres` (postgres.js) 3.4.9 or newer, below 4. Core speaks the
 * protocol; postgres.js makes the `sql` of one connection that `lease.raw` is, when it is first
 * read, and the errors that are the `cause` of ours. Throws `TypeError` for unknown options, for a
 * module that is not `postgres`, and for a `postgres` that is too old.
 *
 * @example
 * const pool = createPool({ driver: postgresJs(), connection: 'postgres://localhost/app' })
 */
export function postgresJs(options: PostgresJsOptions = {}): Driver<Sql> {
  refuseUnknownOptions('postgresJs', options, KNOWN_OPTIONS)
  const postgres = readModule('postgresJs', options.postgres ?? bundledPostgres)
  requireVersion(postgres, options.postgres === undefined)
  const makeInstance = instanceMaker(postgres, readTemplate(postgres))
  const driver: Driver<Sql> = {
    name: 'postgres.js',
    capabilities: { pipeline: true, namedStatements: true },
    connect: (context) =>
      connectSession(libraryOf(postgres, makeInstance, context.settings), context) as Promise<
        DriverConnection<Sql>
      >,
  }
  modules.set(driver, postgres)
  return driver
}

const modules = new WeakMap<Driver, PostgresModule>()

/** The copy of `postgres` that a driver uses; undefined for one that is not made here. */
export function moduleOf(driver: Driver): PostgresModule | undefined {
  return modules.get(driver)
}

/** The module that a caller named. Throws `TypeError` for anything else. */
export function readModule(where: string, given: unknown): PostgresModule {
  const inner = (given as Partial<PostgresNamespace> | null)?.default
  const postgres = typeof inner === 'function' ? inner : given
  if (typeof postgres !== 'function' || !('PostgresError' in postgres) || 'unsafe' in postgres) {
    throw new TypeError(
      `${where}: postgres must be the module postgres, as in import postgres from "postgres", not an instance made by it`,
    )
  }
  return postgres as unknown as PostgresModule
}

function readTemplate(postgres: PostgresModule): InstanceOptions {
  const template = makeTemplate(postgres)
  // A bundle has no version; then the newest option that is needed tells.
  if (!('sslnegotiation' in template)) throw tooOld(undefined)
  return template
}

function requireVersion(postgres: PostgresModule, own: boolean): void {
  const version =
    versionOfModule(postgres, 'postgres') ??
    (own ? versionBeside(import.meta.url, 'postgres') : undefined)
  if (version !== undefined && isOlder(version, NEEDED)) throw tooOld(version)
}

function tooOld(version: string | undefined): TypeError {
  return new TypeError(
    `postgresJs: postgres ${version ?? 'of an unknown version'} is too old, ${NEEDED.join('.')} or newer is needed; update postgres`,
  )
}
