import type { Driver } from '@poolhouse/core'
import { nodePostgres } from '@poolhouse/node-postgres'
import { postgresJs } from '@poolhouse/postgres-js'
import { type MakeCaller, ours, pgPool, postgresJsItself } from '../query/caller.js'

const TEXT = 'select abalance from pgbench_accounts where aid = $1'

const use = (makeDriver: () => Driver): MakeCaller =>
  ours(makeDriver, (pool) => (keys) => {
    const values = [keys()]
    return pool.use(async (lease) => {
      const { rows } = await lease.query(TEXT, values)
      return rows.length
    })
  })

const byHand = (named: boolean): MakeCaller =>
  pgPool((pool) => async (keys) => {
    const values = [keys()]
    const client = await pool.connect()
    try {
      const { rows } = await client.query({ ...(named && { name: 'point' }), text: TEXT, values })
      return rows.length
    } finally {
      client.release()
    }
  })

const reserve = postgresJsItself((sql) => async (keys) => {
  const key = keys()
  const reserved = await sql.reserve()
  try {
    const rows = await reserved`select abalance from pgbench_accounts where aid = ${key}`
    return rows.length
  } finally {
    reserved.release()
  }
})

/** Who takes a connection for one statement and gives it back. */
export const uses: Readonly<Record<string, MakeCaller>> = {
  poolhouse: use(nodePostgres),
  'poolhouse over postgres.js': use(postgresJs),
  'pg.Pool by hand, named': byHand(true),
  'pg.Pool by hand, as written': byHand(false),
  'sql.reserve': reserve,
}
