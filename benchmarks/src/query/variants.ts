import { createPool } from '@poolhouse/core'
import { nodePostgres } from '@poolhouse/node-postgres'

/** Something that runs the point query, one connection per caller at a time. */
export interface QueryVariant {
  /** Runs the query for one key. */
  query(key: number): Promise<unknown>
  /** Runs an insert that violates a unique constraint; rejects. */
  violate(): Promise<unknown>
  /** Ends it. */
  close(): Promise<void>
}

const TEXT = 'select balance from accounts where id = $1'
const VIOLATION = 'insert into accounts (id, balance) values (1, 1)'

/** Who is compared. Imports happen inside, so that a process loads only what it measures. */
export const queryVariants: Readonly<
  Record<string, (url: string, max: number) => Promise<QueryVariant>>
> = {
  poolhouse: async (url, max) => {
    const pool = createPool({ driver: nodePostgres(), connection: url, max, maxPending: 100_000 })
    return {
      query: (key) => pool.query({ name: 'point', text: TEXT, values: [key] }),
      violate: () => pool.query(VIOLATION),
      close: () => pool.close(),
    }
  },
  'pg.Pool, named': async (url, max) => {
    const { default: pg } = await import('pg')
    const pool = new pg.Pool({ connectionString: url, max })
    pool.on('error', () => {})
    return {
      query: (key) => pool.query({ name: 'point', text: TEXT, values: [key] }),
      violate: () => pool.query(VIOLATION),
      close: () => pool.end(),
    }
  },
  'pg.Pool, as written': async (url, max) => {
    const { default: pg } = await import('pg')
    const pool = new pg.Pool({ connectionString: url, max })
    pool.on('error', () => {})
    return {
      query: (key) => pool.query(TEXT, [key]),
      violate: () => pool.query(VIOLATION),
      close: () => pool.end(),
    }
  },
  'postgres.js': async (url, max) => {
    const { default: postgres } = await import('postgres')
    const sql = postgres(url, { max })
    return {
      query: (key) => sql.unsafe(TEXT, [key], { prepare: true }),
      violate: () => sql.unsafe(VIOLATION),
      close: () => sql.end({ timeout: 1 }),
    }
  },
}
