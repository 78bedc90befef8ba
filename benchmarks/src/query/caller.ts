import { createPool, type Driver, type Pool } from '@poolhouse/core'
import type { Pool as PgPool } from 'pg'
import type { Sql } from 'postgres'

/** Something that is called again and again, on ten connections. */
export interface Caller {
  /** One call, about these keys; resolves with the number of rows that came. */
  call(keys: NextKey): Promise<number>
  /** Closes its connections. */
  close(): Promise<void>
}

/** Makes one of those compared, for the server at `url`. */
export type MakeCaller = (url: string) => Promise<Caller>

/** Gives a key of the table that is looked up, another one each time. */
export type NextKey = () => number

/** Most connections of each. */
const CONNECTIONS = 10
/** Number of accounts, their keys from 1. */
export const ACCOUNTS = 100_000

/** Keys at random, but the same ones in every process. */
export function randomKeys(): NextKey {
  let state = 20_261_130
  return () => {
    // Numbers of a linear congruential generator; its low bits repeat soon and are left out.
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return 1 + Math.floor((state / 2 ** 32) * ACCOUNTS)
  }
}

/** A pool of ours over a driver, and one call on it. */
export const ours =
  (
    makeDriver: () => Driver,
    prepare: (pool: Pool) => Caller['call'] | Promise<Caller['call']>,
  ): MakeCaller =>
  async (url) => {
    const pool = createPool({ driver: makeDriver(), connection: url, max: CONNECTIONS })
    return { call: await prepare(pool), close: () => pool.close() }
  }

/** `pg.Pool`, and one call on it; `own` are further options of its clients. */
export const pgPool =
  (
    prepare: (pool: PgPool) => Caller['call'] | Promise<Caller['call']>,
    own: Readonly<Record<string, unknown>> = {},
  ): MakeCaller =>
  async (url) => {
    const { default: pg } = await import('pg')
    const pool = new pg.Pool({ connectionString: url, max: CONNECTIONS, ...own })
    return { call: await prepare(pool), close: () => pool.end() }
  }

/** postgres.js, and one call on it. */
export const postgresJsItself =
  (prepare: (sql: Sql) => Caller['call']): MakeCaller =>
  async (url) => {
    const { default: postgres } = await import('postgres')
    const sql = postgres(url, { max: CONNECTIONS })
    return { call: prepare(sql), close: () => sql.end({ timeout: 1 }) }
  }
