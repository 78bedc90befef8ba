import { createRequire } from 'node:module'
import type { Driver } from '@poolhouse/core'
import { refuseUnknownOptions } from '@poolhouse/core/kit'
import { isOlder, versionBeside, versionOfModule } from '@poolhouse/core/net'
import bundledPg from 'pg'
import { connect } from './connect.js'
import type { PgModule } from './pg-module.js'

/** The module `pg`, told by its shape so that these types need no `@types/pg` beside them. */
export interface PgLike {
  /** `pg.Client`, a class. */
  readonly Client: object
}

/** Options of `nodePostgres`. */
export interface NodePostgresOptions {
  /**
   * The copy of `pg` to use: the default export or the whole namespace. Default: the copy this
   * package finds. Give the application's own if there may be several and it compares classes
   * (`lease.raw instanceof pg.Client`). Its type parsers are not used: values are read as the
   * pool's `types` option says.
   */
  pg?: PgLike | undefined
}

const KNOWN_OPTIONS: ReadonlySet<string> = new Set(['pg'])
const NEEDED = [8, 23, 1] as const

/**
 * The driver over `pg` (node-postgres), 8.23.1 or newer: one `pg.Client` per connection, never its
 * pool. Throws `TypeError` for unknown options, for something that is not `pg`, and for a `pg` that
 * is too old.
 *
 * ```ts
 * const pool = createPool({ driver: nodePostgres(), connection: 'postgres://localhost/app' })
 * ```
 */
export function nodePostgres(options: NodePostgresOptions = {}): Driver {
  refuseUnknownOptions('nodePostgres', options, KNOWN_OPTIONS)
  const pg = readModule(options.pg ?? bundledPg)
  requireVersion(pg, options.pg === undefined)
  return {
    name: 'pg',
    capabilities: { pipeline: false, namedStatements: true },
    connect: (context) => connect(pg, context),
  }
}

function readModule(given: unknown): PgModule {
  // `import * as pg` and `await import('pg')` give a namespace that has less in it than the module.
  const inner = (given as { default?: Partial<PgModule> } | null)?.default
  const pg = (typeof inner?.Client === 'function' ? inner : given) as Partial<PgModule> | null
  if (typeof pg?.Client !== 'function') {
    throw new TypeError(
      'nodePostgres: pg must be the module of that name, as from import pg from "pg"',
    )
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
    versionOfModule(pg, 'pg') ??
    (own ? versionBeside(createRequire(import.meta.url), 'pg') : undefined)
  // A bundle carries no versions; what appeared last is then the best sign.
  const old =
    version === undefined
      ? !('getTransactionStatus' in pg.Client.prototype)
      : isOlder(version, NEEDED)
  if (old) throw tooOld(version)
}

function tooOld(version: string | undefined): TypeError {
  return new TypeError(
    `nodePostgres: pg ${version ?? 'of an unknown version'} is too old, ${NEEDED.join('.')} or newer is needed; update pg`,
  )
}
