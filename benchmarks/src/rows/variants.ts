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
  ...both((pool) => async () => (await pool.query(TEXT)).rows.length),
  'pg.Pool': pgPool((pool) => async () => (await pool.query(TEXT)).rows.length),
  'postgres.js': postgresJsItself((sql) => async () => (await sql.unsafe(TEXT)).length),
  limit,
}

/** The same, each row as an array. */
export const arrayResults: Readonly<Record<string, MakeCaller>> = {
  ...both((pool) => async () => (await pool.query({ text: TEXT, rowMode: 'array' })).rows.length),
  'pg.Pool': pgPool(
    (pool) => async () => (await pool.query({ text: TEXT, rowMode: 'array' })).rows.length,
  ),
  'postgres.js': postgresJsItself((sql) => async () => (await sql.unsafe(TEXT).values()).length),
  limit,
}

/** Who reads it row by row, a thousand at a time from the server. */
export const streams: Readonly<Record<string, MakeCaller>> = {
  ...both((pool) => async () => {
    let rows = 0
    for await (const _ of pool.stream(TEXT, [], { batchSize: BATCH })) rows++
    return rows
  }),
  'pg-cursor': pgPool(async (pool) => {
    const { default: Cursor } = await import('pg-cursor')
    return async () => {
      const client = await pool.connect()
      try {
        const cursor = client.query(new Cursor(TEXT))
        let rows = 0
        for (let batch = await cursor.read(BATCH); batch.length > 0; ) {
          for (const _ of batch) rows++
          batch = await cursor.read(BATCH)
        }
        await cursor.close()
        return rows
      } finally {
        client.release()
      }
    }
  }),
  'sql.cursor': postgresJsItself((sql) => async () => {
    let rows = 0
    for await (const batch of sql.unsafe(TEXT).cursor(BATCH)) {
      for (const _ of batch) rows++
    }
    return rows
  }),
  limit,
}
