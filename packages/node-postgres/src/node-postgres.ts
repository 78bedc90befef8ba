import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { type Driver, refuseUnknownOptions } from '@poolhouse/core'
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
   * The copy of `pg` to use, with its type parsers: the default export or the whole namespace. Default: the copy this package
   * finds. Give the application's own if there may be several.
   */
  pg?: PgLike | undefined
}

const KNOWN_OPTIONS: ReadonlySet<string> = new Set(['pg'])
const NEEDED = [8, 23, 1] as const

/**
 * The driver over `pg` (node-postgres), 8.23.1 or newer: one `pg.Client` per connection, never its pool. Throws `TypeError`
 * for unknown options, for something that is not `pg`, and for a `pg` that is too old.
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
  if (typeof pg.utils?.prepareValue !== 'function') throw tooOld(undefined)
  return pg as PgModule
}

function requireVersion(pg: PgModule, own: boolean): void {
  const version = versionOf(pg) ?? (own ? versionBesideUs() : undefined)
  // A bundle carries no versions; what appeared last is then the best sign.
  const old =
    version === undefined ? !('getTransactionStatus' in pg.Client.prototype) : isOlder(version)
  if (old) throw tooOld(version)
}

/** Whether a version such as `8.16.3` is below the one needed. Pre-releases count as their release. */
export function isOlder(version: string): boolean {
  const parts = version.split(/[.+-]/, 3).map(Number)
  for (const [index, needed] of NEEDED.entries()) {
    const part = parts[index] ?? 0
    // A version we cannot read is not a reason to refuse work.
    if (Number.isNaN(part)) return false
    if (part !== needed) return part < needed
  }
  return false
}

function tooOld(version: string | undefined): TypeError {
  return new TypeError(
    `nodePostgres: pg ${version ?? 'of an unknown version'} is too old, ${NEEDED.join('.')} or newer is needed; update pg`,
  )
}

/** The version of exactly this copy of `pg`: it is CommonJS, so the module cache knows the file it came from. */
export function versionOf(pg: unknown): string | undefined {
  try {
    const require = createRequire(import.meta.url)
    for (const module of Object.values(require.cache)) {
      if (module === undefined || module.exports !== pg) continue
      const { name, version } = require(join(dirname(module.filename), '..', 'package.json')) as {
        name?: unknown
        version?: unknown
      }
      if (name === 'pg' && typeof version === 'string') return version
    }
  } catch {
    // Bundled, or the files are not where they were: there is no version to read, and that is no reason to fail.
  }
  return undefined
}

function versionBesideUs(): string | undefined {
  try {
    const { version } = createRequire(import.meta.url)('pg/package.json') as { version?: unknown }
    return typeof version === 'string' ? version : undefined
  } catch {
    return undefined
  }
}
