import type { Driver, Pool } from '@poolhouse/core'
import { nodePostgres } from '@poolhouse/node-postgres'
import { postgresJs } from '@poolhouse/postgres-js'
import { LeftOut } from '../left-out.js'
import { type MakeCaller, ours, pgPool, postgresJsItself } from '../query/caller.js'

const UPDATE = 'update pgbench_accounts set abalance = abalance + $1 where aid = $2'
const SELECT = 'select abalance from pgbench_accounts where aid = $1'
const DELTA = 1

/** BEGIN, an update and a select of one row, COMMIT: the callback that most code has. */
const callback = (makeDriver: () => Driver): MakeCaller =>
  ours(makeDriver, (pool) => (keys) => {
    const key = keys()
    return pool.transaction(async (tx) => {
      await tx.query(UPDATE, [DELTA, key])
      const { rows } = await tx.query(SELECT, [key])
      return rows.length
    })
  })

/** The same as a list of statements. */
const list = (makeDriver: () => Driver): MakeCaller =>
  ours(makeDriver, async (pool) => {
    await needListForm(pool)
    return async (keys) => {
      const key = keys()
      const [, selected] = await pool.transaction([
        { text: UPDATE, values: [DELTA, key] },
        { text: SELECT, values: [key] },
      ])
      return selected!.rows.length
    }
  })

/** Leaves out a pool whose build has no `transaction([…])`. */
export async function needListForm(pool: Pool): Promise<void> {
  try {
    await pool.transaction([{ text: 'select 1' }])
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    throw new LeftOut(`this build has no transaction([…]) (${error.message})`)
  }
}

const byHand = (named: boolean): MakeCaller =>
  pgPool((pool) => async (keys) => {
    const key = keys()
    const client = await pool.connect()
    try {
      await client.query('BEGIN')
      const update = { ...(named && { name: 'update' }), text: UPDATE, values: [DELTA, key] }
      await client.query(update)
      const select = { ...(named && { name: 'select' }), text: SELECT, values: [key] }
      const { rows } = await client.query(select)
      await client.query('COMMIT')
      return rows.length
    } catch (error) {
      await client.query('ROLLBACK')
      throw error
    } finally {
      client.release()
    }
  })

const begin = postgresJsItself((sql) => (keys) => {
  const key = keys()
  return sql.begin(async (tx) => {
    await tx`update pgbench_accounts set abalance = abalance + ${DELTA} where aid = ${key}`
    const rows = await tx`select abalance from pgbench_accounts where aid = ${key}`
    return rows.length
  })
})

const beginWithList = postgresJsItself((sql) => async (keys) => {
  const key = keys()
  const [, rows] = await sql.begin((tx) => [
    tx`update pgbench_accounts set abalance = abalance + ${DELTA} where aid = ${key}`,
    tx`select abalance from pgbench_accounts where aid = ${key}`,
  ])
  return rows.length
})

/** Who runs the transaction in which way. */
export const transfers: Readonly<Record<string, MakeCaller>> = {
  poolhouse: callback(nodePostgres),
  'poolhouse over postgres.js': callback(postgresJs),
  'poolhouse, transaction([…])': list(nodePostgres),
  'poolhouse over postgres.js, transaction([…])': list(postgresJs),
  'pg.Pool by hand, named': byHand(true),
  'pg.Pool by hand, as written': byHand(false),
  'sql.begin': begin,
  'sql.begin([…])': beginWithList,
}
