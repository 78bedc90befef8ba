import type { ConnectionOptions } from '@poolhouse/core'
import { type ConnectionPool, createPool } from '@poolhouse/core'
import bundledPg, { type Client as PgClient, type Pool as PgPool, type PoolClient } from 'pg'
import { nodePostgres } from '../../node-postgres.js'
import { boundPoolClass } from '../bound-pool.js'
import { queryOn } from '../client/query-on.js'
import { settle } from '../client/settle.js'
import type { PgLibrary } from '../pg-library.js'
import { callbackOf, isSubmittable } from '../statement/read-query.js'
import { failingAtOnce } from './failing-at-once.js'
import { logEvents } from './log-events.js'
import { type PgPoolOptions, readPgPoolOptions } from './pg-pool-options.js'

/** The class `Pool`. */
export type PoolClass = new (options?: PgPoolOptions, Client?: typeof PgClient) => PgPool

const pg = bundledPg as PgLibrary

/**
 * `pg.Pool` with a pool of Poolhouse underneath, for one server: takes the options of `pg.Pool` and
 * `pg.Client`. Throws `TypeError` or `RangeError` for an option that cannot be had. What it does
 * otherwise than `pg.Pool`, and why, is listed in `docs/guides/pg-pool-differences.md`.
 *
 * @example
 * import { Pool } from '@poolhouse/node-postgres/compat'
 *
 * const pool = new Pool({ connectionString: process.env.DATABASE_URL, max: 20 })
 */
export const Pool: PoolClass = makeClass()

function makeClass(): PoolClass {
  class PlainPool extends boundPoolClass(pg) {
    constructor(options: PgPoolOptions = {}, Client?: typeof PgClient) {
      const { types, verify, onConnect, log } = options ?? {}
      const { pool, queryTimeoutMs } = open(options ?? {}, Client)
      super(
        pool,
        pool,
        {
          checkout: 'eager',
          doubleRelease: 'throw',
          keepsSettings: true,
          queryTimeoutMs,
          ...(types !== undefined && { types }),
          ...(onConnect !== undefined && { onConnect }),
          ...(verify !== undefined && { verify: (client: PoolClient) => verified(verify, client) }),
        },
        options as Record<string, unknown>,
      )
      if (log !== undefined) logEvents(pool, log)
    }

    override query(first: unknown, second?: unknown, third?: unknown): never {
      if (!this.#needsClients() || isSubmittable(first) || typeof first === 'function') {
        return super.query(first as string, second as [], third as () => void) as never
      }
      return settle(this.#onClient(first, second), callbackOf(second, third), undefined) as never
    }

    /** Whether hooks and listeners have to hear of the client of each query. */
    #needsClients(): boolean {
      const { onConnect, verify } = this.options
      if (onConnect !== undefined || verify !== undefined) return true
      return EVENTS.some((event) => this.listenerCount(event) > 0)
    }

    async #onClient(first: unknown, second: unknown): Promise<unknown> {
      const client = await this.connect()
      try {
        return await queryOn(client, first, second)
      } finally {
        client.release()
      }
    }
  }
  Object.defineProperty(PlainPool, 'name', { value: 'BoundPool' })
  return PlainPool
}

const EVENTS = ['connect', 'acquire', 'release'] as const

interface Opened {
  readonly pool: ConnectionPool
  readonly queryTimeoutMs: number
}

function open(options: PgPoolOptions, Client: unknown): Opened {
  const { pool, keepAliveMs } = readPgPoolOptions(pg, options, Client)
  const connection = pool.connection as ConnectionOptions
  const { driver, password } = failingAtOnce(nodePostgres(), connection.password, keepAliveMs)
  const opened = createPool({
    ...pool,
    driver,
    connection: { ...connection, ...(password !== undefined && { password }) },
  })
  return { pool: opened, queryTimeoutMs: pool.statementTimeoutMs ?? 0 }
}

function verified(verify: NonNullable<PgPoolOptions['verify']>, client: PoolClient): Promise<void> {
  return new Promise((resolve, reject) => {
    verify(client, (error) => {
      if (error) reject(error)
      else resolve()
    })
  })
}
