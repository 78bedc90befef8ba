import { createPool, type Driver } from '@poolhouse/core'
import { nodePostgres } from '@poolhouse/node-postgres'
import { postgresJs } from '@poolhouse/postgres-js'
import { RawClient } from '../wire/raw-client.js'
import { CONNECTIONS, type Contender, type MakeContender, POINT } from './contender.js'
import { type Multiplex, withMultiplex } from './multiplex.js'

/** What answers with `rows`, as `pg` and we do. */
interface Rows {
  readonly rows: readonly { readonly balance: unknown }[]
}

interface Queryable {
  query(text: string, values?: readonly unknown[]): Promise<unknown>
}

/** Point queries as written: text and values. */
export function asWritten(pool: Queryable, close: () => Promise<unknown>): Contender {
  return {
    find: (key) => pool.query(POINT, [key]),
    balanceOf: ({ rows }: Rows) => rows[0]?.balance,
    run: (text) => pool.query(text),
    close,
  }
}

/** A pool of ours over a driver. */
export const ours =
  (makeDriver: () => Driver, multiplex: Multiplex): MakeContender =>
  async (connection) => {
    const driver = makeDriver()
    const pool = withMultiplex(multiplex, (own) =>
      createPool({ driver, connection, max: CONNECTIONS, ...own }),
    )
    return asWritten(pool, () => pool.close())
  }

const pgPool =
  (named: boolean): MakeContender =>
  async (connectionString) => {
    const { default: pg } = await import('pg')
    const pool = new pg.Pool({ connectionString, max: CONNECTIONS })
    const contender = asWritten(pool as Queryable, () => pool.end())
    if (!named) return contender
    return {
      ...contender,
      find: (key) => pool.query({ name: 'point', text: POINT, values: [key] }),
      run: (text) => pool.query({ name: 'slow', text }),
    }
  }

const postgresItself: MakeContender = async (url) => {
  const { default: postgres } = await import('postgres')
  const sql = postgres(url, { max: CONNECTIONS })
  return {
    find: (key) => sql`select balance from accounts where id = ${key}`,
    balanceOf: (rows: Rows['rows']) => rows[0]?.balance,
    run: (text) => sql.unsafe(text, [], { prepare: true }),
    close: () => sql.end({ timeout: 1 }),
  }
}

const slonik: MakeContender = async (url) => {
  const { createPool: createSlonikPool, sql } = await import('slonik')
  const pool = await createSlonikPool(url, { maximumPoolSize: CONNECTIONS })
  return {
    find: (key) => pool.query(sql.unsafe`select balance from accounts where id = ${key}`),
    balanceOf: ({ rows }: Rows) => rows[0]?.balance,
    close: () => pool.end(),
  }
}

// More make it slower: what is called in one tick then goes out in more pieces.
const RAW_CONNECTIONS = 4

const raw: MakeContender = async (url) => {
  const client = await RawClient.open(url, POINT, RAW_CONNECTIONS)
  return {
    find: (key) => client.run(String(key)),
    balanceOf: (rows: Rows['rows']) => rows[0]?.balance,
    close: () => client.close(),
  }
}

/** With the shared lane, over each driver. */
export const shared: Readonly<Record<string, MakeContender>> = {
  poolhouse: ours(nodePostgres, 'auto'),
  'poolhouse over postgres.js': ours(postgresJs, 'auto'),
}

/** The peers whose statements are prepared, pooled and otherwise as their users write them. */
export const peers: Readonly<Record<string, MakeContender>> = {
  'pg.Pool, named': pgPool(true),
  'postgres.js': postgresItself,
}

/** Everybody. Peers are imported inside, so that a process loads only what it measures. */
export const everybody: Readonly<Record<string, MakeContender>> = {
  ...shared,
  'poolhouse, default': ours(nodePostgres, undefined),
  'poolhouse over postgres.js, default': ours(postgresJs, undefined),
  'poolhouse, multiplex: false': ours(nodePostgres, false),
  'poolhouse over postgres.js, multiplex: false': ours(postgresJs, false),
  ...peers,
  'pg.Pool, as written': pgPool(false),
  slonik,
  raw,
}
