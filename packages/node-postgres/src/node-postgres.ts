import type { Driver } from '@poolhouse/core'
import { type DriverConnection, refuseUnknownOptions } from '@poolhouse/core/kit'
import {
  connectSession,
  isOlder,
  versionBeside,
  versionOfExport,
  versionOfModule,
} from '@poolhouse/core/net'
import bundledPg, { type PoolClient } from 'pg'
import { libraryOf } from './library.js'
import { type PgModule, usesModule } from './pg-module.js'

/** The module `pg`, described by its shape. */
export interface PgLike {
  /** `pg.Client`, a class. */
  readonly Client: object
}

/**
 * Options of `nodePostgres`.
 *
 * @example
 * import pg from 'pg'
 *
 * const pool = createPool({ driver: nodePostgres({ pg }), connection })
 */
export interface NodePostgresOptions {
  /**
   * The copy of `pg` to use: the default export or the whole namespace. Default: the copy that this
   * package finds. Pass the application's copy if there may be several and it compares classes
   * (`lease.raw instanceof pg.Client`). Its type parsers are not used; the pool's `types` option
   * sets how values are read.
   */
  pg?: PgLike | undefined
}

const KNOWN_OPTIONS: ReadonlySet<string> = new Set(['pg'])
const NEEDED = [8, 16, 2] as const
const TOO_NEW = [9, 0, 0] as const
const NEEDED_PROTOCOL = [1, 15, 0] as const

/**
 * Returns the driver over `pg` (node-postgres) 8.16.2 or newer, below 9. Core speaks the protocol;
 * `pg` makes the `pg.Client` that `lease.raw` is, when it is first read, and the errors that are
 * the `cause` of ours. `lease.raw` has its type where `@types/pg` is installed. Throws `TypeError`
 * for unknown options, for a module that is not `pg`, for a `pg` that is too old or too new, and
 * for a `pg` over a `pg-protocol` before 1.15.0.
 *
 * @example
 * const pool = createPool({ driver: nodePostgres(), connection: 'postgres://localhost/app' })
 */
export function nodePostgres(options: NodePostgresOptions = {}): Driver<PoolClient> {
  refuseUnknownOptions('nodePostgres', options, KNOWN_OPTIONS)
  const pg = readModule(options.pg ?? bundledPg)
  requireVersion(pg, options.pg === undefined)
  const driver: Driver<PoolClient> = {
    name: 'pg',
    capabilities: { pipeline: true, namedStatements: true },
    connect: (context) =>
      connectSession(libraryOf(pg, context.settings), context) as Promise<
        DriverConnection<PoolClient>
      >,
  }
  return usesModule(driver, pg)
}

function readModule(given: unknown): PgModule {
  // A namespace (`import * as pg`, `await import('pg')`) has less in it than the module itself.
  const inner = (given as { default?: Partial<PgModule> } | null)?.default
  const pg = (typeof inner?.Client === 'function' ? inner : given) as Partial<PgModule> | null
  if (typeof pg?.Client !== 'function') {
    throw new TypeError('nodePostgres: pg must be the module pg, as in import pg from "pg"')
  }
  if (!('getStartupConf' in pg.Client.prototype)) {
    throw new TypeError(
      'nodePostgres: pg is bound to libpq (pg-native), which cannot be driven; unset NODE_PG_FORCE_NATIVE or do not pass pg.native',
    )
  }
  if (typeof pg.types?.getTypeParser !== 'function') throw tooOld(undefined)
  return pg as PgModule
}

function requireVersion(pg: PgModule, own: boolean): void {
  const version =
    versionOfModule(pg, 'pg') ?? (own ? versionBeside(import.meta.url, 'pg') : undefined)
  // A bundle has no version; then the newest export that is needed tells.
  const old = version === undefined ? !('Result' in pg) : isOlder(version, NEEDED)
  if (old) throw tooOld(version)
  if (version !== undefined && !isOlder(version, TOO_NEW)) {
    throw new TypeError(
      `nodePostgres: pg ${version} is newer than this package knows, which is tested below 9; install pg@8`,
    )
  }
  const protocol = versionOfExport(pg.DatabaseError, 'DatabaseError', 'pg-protocol')
  if (protocol !== undefined && isOlder(protocol, NEEDED_PROTOCOL)) {
    throw new TypeError(
      `nodePostgres: pg-protocol ${protocol}, which pg uses, is too old: it reads past the end of a malformed message and never returns; update pg-protocol to ${NEEDED_PROTOCOL.join('.')} or newer (npm update pg-protocol), which fits every pg that is accepted`,
    )
  }
}

function tooOld(version: string | undefined): TypeError {
  return new TypeError(
    `nodePostgres: pg ${version ?? 'of an unknown version'} is too old, ${NEEDED.join('.')} or newer is needed; update pg`,
  )
}
