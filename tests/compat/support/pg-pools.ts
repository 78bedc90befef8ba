import { nodePostgres } from '@poolhouse/node-postgres'
import { createPgPool, type PgPoolOptions, Pool } from '@poolhouse/node-postgres/compat'
import pg from 'pg'
import { describe, onTestFinished } from 'vitest'
import { type TestServer, testServer } from '../../support/servers/test-server.js'

/** What a `pg.Pool` may be: `pg`'s own, our replacement, our facade over a pool. */
export type PgPoolKind = 'pg.Pool' | 'new Pool()' | 'createPgPool, eager' | 'createPgPool, lazy'

/** One kind of pool, and what makes them. */
export interface PgPools {
  readonly kind: PgPoolKind
  /** Whether it is ours. */
  readonly isOurs: boolean
  /** The server of the file. */
  readonly server: TestServer
  /** Makes a pool on that server, which is ended when its test is over. */
  make(options?: PgPoolOptions): pg.Pool
}

/** Kinds that take the options of a `pg.Pool`. */
export const BOTH: readonly PgPoolKind[] = ['pg.Pool', 'new Pool()']
/** All kinds. */
export const ALL: readonly PgPoolKind[] = [...BOTH, 'createPgPool, eager', 'createPgPool, lazy']

/**
 * Describes what each of several kinds of pools does, on one server. Kinds that are no plain pool
 * take `max` and `connectionTimeoutMillis` alone.
 */
export function describePgPools(
  kinds: readonly PgPoolKind[],
  cases: (pools: PgPools) => void,
): void {
  const server = testServer({}, 0)
  const open = server.poolsOver(nodePostgres())
  for (const kind of kinds) {
    describe(kind, () => {
      cases({
        kind,
        isOurs: kind !== 'pg.Pool',
        server,
        make(options = {}) {
          const pool = make(kind, server.url, options, open)
          onTestFinished(async () => {
            if (!pool.ending) await pool.end()
          })
          return pool
        },
      })
    })
  }
}

function make(
  kind: PgPoolKind,
  connectionString: string,
  options: PgPoolOptions,
  open: ReturnType<TestServer['poolsOver']>,
): pg.Pool {
  switch (kind) {
    case 'pg.Pool':
      return new pg.Pool({ connectionString, ...options })
    case 'new Pool()':
      return new Pool({ connectionString, ...options })
    default: {
      const { max = 10, connectionTimeoutMillis: acquireTimeoutMs = 10_000 } = options
      const checkout = kind === 'createPgPool, lazy' ? 'lazy' : 'eager'
      return createPgPool(open({ max, acquireTimeoutMs }), { checkout })
    }
  }
}

/** Resolves with the arguments of the callback that `call` gets. */
export function called<Args extends unknown[]>(
  call: (callback: (...args: Args) => void) => unknown,
): Promise<Args> {
  return new Promise((resolve) => {
    call((...args) => resolve(args))
  })
}

/** Resolves with the arguments of the next event of that name. */
export function emitted(
  emitter: { once(event: string, listener: (...args: unknown[]) => void): unknown },
  event: string,
): Promise<unknown[]> {
  return new Promise((resolve) => {
    emitter.once(event, (...args) => resolve(args))
  })
}
