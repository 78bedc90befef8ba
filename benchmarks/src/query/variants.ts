import { createPool, type Driver, type PoolOptions } from '@poolhouse/core'
import { nodePostgres } from '@poolhouse/node-postgres'
import { postgresJs } from '@poolhouse/postgres-js'

/** What every variant is told. */
export interface VariantOptions {
  /** Where the server is. */
  readonly url: string
  /** Most connections. */
  readonly max: number
  /** Longest wait for a connection, in milliseconds; undefined for the pool's default. */
  readonly acquireTimeoutMs?: number
  /** A connection begins to be opened. */
  onConnect(): void
}

/** Something that runs queries, one connection per caller at a time. */
export interface QueryVariant {
  /** Runs the point query for one key. */
  query(key: number): Promise<unknown>
  /** Runs an insert that violates a unique constraint; rejects. */
  violate(): Promise<unknown>
  /** Ends it. */
  close(): Promise<void>
}

/** Makes one of those compared. */
export type MakeVariant = (options: VariantOptions) => QueryVariant | Promise<QueryVariant>

const TEXT = 'select balance from accounts where id = $1'
const VIOLATION = 'insert into accounts (id, balance) values (1, 1)'

/**
 * A pool of ours over a driver; with a name given to the statement, or as `query(text, values)`.
 * `own` are further options of the pool.
 */
export function poolhouse(
  driver: Driver,
  options: VariantOptions,
  named: boolean,
  own: Partial<PoolOptions> = {},
): QueryVariant {
  const pool = createPool({
    driver: {
      ...driver,
      connect: (context) => {
        options.onConnect()
        return driver.connect(context)
      },
    },
    connection: options.url,
    max: options.max,
    acquireTimeoutMs: options.acquireTimeoutMs,
    ...own,
  })
  return {
    query: named
      ? (key) => pool.query({ name: 'point', text: TEXT, values: [key] })
      : (key) => pool.query(TEXT, [key]),
    violate: () => pool.query(VIOLATION),
    close: () => pool.close(),
  }
}

async function pgPool(options: VariantOptions, named: boolean): Promise<QueryVariant> {
  const { default: pg } = await import('pg')
  class CountedClient extends pg.Client {
    constructor(config?: string | ConstructorParameters<typeof pg.Client>[0]) {
      super(config)
      options.onConnect()
    }
  }
  const pool = new pg.Pool({
    Client: CountedClient as never,
    connectionString: options.url,
    max: options.max,
    ...(options.acquireTimeoutMs && { connectionTimeoutMillis: options.acquireTimeoutMs }),
  })
  pool.on('error', () => {})
  return {
    query: named
      ? (key) => pool.query({ name: 'point', text: TEXT, values: [key] })
      : (key) => pool.query(TEXT, [key]),
    violate: () => pool.query(VIOLATION),
    close: () => pool.end(),
  }
}

/** postgres.js itself, with options of its own on top. */
export async function postgresJsItself(
  { url, max }: VariantOptions,
  own: Readonly<Record<string, unknown>> = {},
): Promise<QueryVariant> {
  const { default: postgres } = await import('postgres')
  const sql = postgres(url, { max, ...own })
  return {
    query: (key) => sql.unsafe(TEXT, [key], { prepare: true }),
    violate: () => sql.unsafe(VIOLATION),
    close: () => sql.end({ timeout: 1 }),
  }
}

/**
 * Who is compared. Imports of peers happen inside, so that a process loads only what it measures.
 */
export const queryVariants: Readonly<Record<string, MakeVariant>> = {
  poolhouse: (options) => poolhouse(nodePostgres(), options, true),
  'pg.Pool, named': (options) => pgPool(options, true),
  'poolhouse, as written': (options) => poolhouse(nodePostgres(), options, false),
  'pg.Pool, as written': (options) => pgPool(options, false),
  'postgres.js': (options) => postgresJsItself(options),
}

/**
 * Pools whose sessions are reset where a text shows that they were changed, and in front of every
 * borrower.
 */
export const resetVariants: Readonly<Record<string, MakeVariant>> = {
  'auto over pg': (options) => poolhouse(nodePostgres(), options, false),
  'always over pg': (options) => poolhouse(nodePostgres(), options, false, { reset: 'always' }),
  'auto over postgres.js': (options) => poolhouse(postgresJs(), options, false),
  'always over postgres.js': (options) =>
    poolhouse(postgresJs(), options, false, { reset: 'always' }),
}
