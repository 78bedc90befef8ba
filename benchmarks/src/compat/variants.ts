import { createPool } from '@poolhouse/core'
import { nodePostgres } from '@poolhouse/node-postgres'
import { type CreatePgPoolOptions, createPgPool } from '@poolhouse/node-postgres/compat'
import pg from 'pg'
import type { MakeVariant, VariantOptions } from '../query/variants.js'

/** Makes the pool that a library is given. */
export type MakePool = (options: VariantOptions) => pg.Pool

/** `createPgPool` over a plain pool. */
export function facade(own: CreatePgPoolOptions = {}): MakePool {
  return ({ url, max }) =>
    createPgPool(createPool({ driver: nodePostgres(), connection: url, max }), own)
}

/** `pg.Pool` itself. */
export const pgPool: MakePool = ({ url, max }) => new pg.Pool({ connectionString: url, max })

const TEXT = 'select balance from accounts where id = $1'

/** Calls the pool itself, in the form that most code has. */
export function asWritten(make: MakePool): MakeVariant {
  return (options) => {
    const pool = make(options)
    return variant((key) => pool.query(TEXT, [key]), pool)
  }
}

/** Calls the pool through Drizzle. */
export function throughDrizzle(make: MakePool): MakeVariant {
  return async (options) => {
    const { drizzle } = await import('drizzle-orm/node-postgres')
    const { integer, pgTable } = await import('drizzle-orm/pg-core')
    const { eq } = await import('drizzle-orm')
    const accounts = pgTable('accounts', { id: integer().primaryKey(), balance: integer() })
    const pool = make(options)
    const db = drizzle(pool)
    return variant(
      (key) => db.select({ balance: accounts.balance }).from(accounts).where(eq(accounts.id, key)),
      pool,
    )
  }
}

/** Calls the pool through Kysely, which takes a client for each query. */
export function throughKysely(make: MakePool): MakeVariant {
  return async (options) => {
    const { Kysely, PostgresDialect } = await import('kysely')
    const pool = make(options)
    const db = new Kysely<{ accounts: { id: number; balance: number } }>({
      dialect: new PostgresDialect({ pool }),
    })
    return variant(
      (key) => db.selectFrom('accounts').select('balance').where('id', '=', key).execute(),
      pool,
    )
  }
}

function variant(query: (key: number) => Promise<unknown>, pool: pg.Pool) {
  return {
    query,
    violate: () => Promise.reject(new Error('not measured')),
    close: () => pool.end(),
  }
}
