import type { Driver, Statement } from '@poolhouse/core'
import { nodePostgres } from '@poolhouse/node-postgres'
import { postgresJs } from '@poolhouse/postgres-js'
import { LeftOut } from '../left-out.js'
import { type MakeCaller, type NextKey, ours, pgPool, postgresJsItself } from '../query/caller.js'
import { needListForm } from './transfers.js'

/** Number of point queries in one batch. */
export const BATCH = 10
const TEXT = 'select abalance from pgbench_accounts where aid = $1'

const statements = (keys: NextKey): Statement[] =>
  Array.from({ length: BATCH }, () => ({ text: TEXT, values: [keys()] }))

const rowsIn = (results: readonly { rows: readonly unknown[] }[]): number =>
  results.reduce((count, { rows }) => count + rows.length, 0)

const batch = (makeDriver: () => Driver): MakeCaller =>
  ours(makeDriver, async (pool) => {
    const kind = await pool.use(async (lease) => typeof lease.batch)
    if (kind !== 'function') throw new LeftOut('this build has no lease.batch')
    return (keys) =>
      pool.use(async (lease) => {
        const outcomes = await lease.batch(statements(keys))
        return rowsIn(
          outcomes.map((outcome) => {
            if (outcome.status === 'rejected') throw outcome.reason
            return outcome.value
          }),
        )
      })
  })

const transaction = (makeDriver: () => Driver): MakeCaller =>
  ours(makeDriver, async (pool) => {
    await needListForm(pool)
    return async (keys) => rowsIn(await pool.transaction(statements(keys)))
  })

const oneByOne: MakeCaller = ours(
  nodePostgres,
  (pool) => (keys) =>
    pool.use(async (lease) => {
      let rows = 0
      for (const statement of statements(keys)) rows += (await lease.query(statement)).rows.length
      return rows
    }),
)

const byHand = pgPool((pool) => async (keys) => {
  const client = await pool.connect()
  try {
    let rows = 0
    for (let done = 0; done < BATCH; done++) {
      rows += (await client.query({ name: 'point', text: TEXT, values: [keys()] })).rows.length
    }
    return rows
  } finally {
    client.release()
  }
})

const pipelined = pgPool(
  async (pool) => {
    const first = await pool.connect()
    const has = (first as unknown as { pipeline?: boolean }).pipeline === true
    first.release()
    if (!has) throw new LeftOut('this version of pg has no pipeline: true')
    return async (keys) => {
      const client = await pool.connect()
      try {
        const query = () => client.query({ name: 'point', text: TEXT, values: [keys()] })
        return rowsIn(await Promise.all(Array.from({ length: BATCH }, query)))
      } finally {
        client.release()
      }
    }
  },
  { pipeline: true },
)

const reserve = postgresJsItself((sql) => async (keys) => {
  const reserved = await sql.reserve()
  try {
    const query = () => reserved`select abalance from pgbench_accounts where aid = ${keys()}`
    const results = await Promise.all(Array.from({ length: BATCH }, query))
    return results.reduce((count, rows) => count + rows.length, 0)
  } finally {
    reserved.release()
  }
})

/** Who asks for ten rows on one connection. */
export const batches: Readonly<Record<string, MakeCaller>> = {
  poolhouse: batch(nodePostgres),
  'poolhouse over postgres.js': batch(postgresJs),
  'poolhouse, transaction([…])': transaction(nodePostgres),
  'poolhouse over postgres.js, transaction([…])': transaction(postgresJs),
  'poolhouse, one by one': oneByOne,
  'pg.Pool by hand': byHand,
  'pg.Pool by hand, pipeline: true': pipelined,
  'sql.reserve': reserve,
}
