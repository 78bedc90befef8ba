import type { Driver, Pool } from '@poolhouse/core'
import { nodePostgres } from '@poolhouse/node-postgres'
import { postgresJs } from '@poolhouse/postgres-js'
import { type MakeCaller, ours, pgPool, postgresJsItself } from '../query/caller.js'
import { CountingClient } from './counting-client.js'

/** Number of rows of one result. */
export const ROWS = 10_000
const TEXT = 'select id, label, created_at, amount, paid from orders'
const BATCH = 1_000

type Call = () => Promise<number>

interface Order {
  id: number
  label: string
  created_at: Date
  amount: string
  paid: boolean
}

/** Whether a row is all there. */
function isWhole(row: Order): boolean {
  return areValues(row.id, row.label, row.created_at, row.amount, row.paid)
}

/** The same of a row that is an array. */
function isWholeArray(row: readonly unknown[]): boolean {
  return areValues(row[0], row[1], row[2], row[3], row[4])
}

/** Looks at each value, as those who ask for rows do: a client may make one when it is read. */
function areValues(
  id: unknown,
  label: unknown,
  createdAt: unknown,
  amount: unknown,
  paid: unknown,
): boolean {
  return (
    typeof id === 'number' &&
    typeof label === 'string' &&
    createdAt instanceof Date &&
    typeof amount === 'string' &&
    typeof paid === 'boolean'
  )
}

function wholeRows(rows: readonly unknown[]): number {
  let whole = 0
  for (const row of rows as readonly Order[]) if (isWhole(row)) whole++
  return whole
}

function wholeArrays(rows: readonly unknown[]): number {
  let whole = 0
  for (const row of rows as readonly unknown[][]) if (isWholeArray(row)) whole++
  return whole
}

const both = (call: (pool: Pool) => Call): Readonly<Record<string, MakeCaller>> => {
  const over = (makeDriver: () => Driver): MakeCaller => ours(makeDriver, call)
  return { poolhouse: over(nodePostgres), 'poolhouse over postgres.js': over(postgresJs) }
}

/** A client that counts the rows and drops them. */
const limit: MakeCaller = async (url) => {
  const client = await CountingClient.open(url, TEXT)
  return { call: () => client.run(), close: () => client.close() }
}

/** Who reads the result as a whole, its rows as objects. */
export const wholeResults: Readonly<Record<string, MakeCaller>> = {
  ...both((pool) => async () => wholeRows((await pool.query(TEXT)).rows)),
  'pg.Pool': pgPool((pool) => async () => wholeRows((await pool.query(TEXT)).rows)),
  'postgres.js': postgresJsItself((sql) => async () => wholeRows(await sql.unsafe(TEXT))),
  limit,
}

const AS_ARRAYS = { text: TEXT, rowMode: 'array' } as const

/** The same, each row as an array. */
export const arrayResults: Readonly<Record<string, MakeCaller>> = {
  ...both((pool) => async () => wholeArrays((await pool.query(AS_ARRAYS)).rows)),
  'pg.Pool': pgPool((pool) => async () => wholeArrays((await pool.query(AS_ARRAYS)).rows)),
  'postgres.js': postgresJsItself(
    (sql) => async () => wholeArrays(await sql.unsafe(TEXT).values()),
  ),
  limit,
}

/** Who reads it row by row, a thousand at a time from the server. */
export const streams: Readonly<Record<string, MakeCaller>> = {
  ...both((pool) => async () => {
    let whole = 0
    for await (const row of pool.stream<Order>(TEXT, [], { batchSize: BATCH })) {
      if (isWhole(row)) whole++
    }
    return whole
  }),
  'pg-cursor': pgPool(async (pool) => {
    const { default: Cursor } = await import('pg-cursor')
    return async () => {
      const client = await pool.connect()
      try {
        const cursor = client.query(new Cursor(TEXT))
        let whole = 0
        for (let batch = await cursor.read(BATCH); batch.length > 0; ) {
          whole += wholeRows(batch)
          batch = await cursor.read(BATCH)
        }
        await cursor.close()
        return whole
      } finally {
        client.release()
      }
    }
  }),
  'sql.cursor': postgresJsItself((sql) => async () => {
    let whole = 0
    for await (const batch of sql.unsafe(TEXT).cursor(BATCH)) whole += wholeRows(batch)
    return whole
  }),
  limit,
}
