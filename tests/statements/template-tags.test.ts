import sql, { join, raw } from 'sql-template-tag'
import { describe, expect, it } from 'vitest'
import { DRIVERS } from '../support/drivers.js'
import { guardProcess } from '../support/process-guards.js'
import { testServer } from '../support/servers/test-server.js'

guardProcess()
const server = testServer()

describe.each(DRIVERS)('over $driver', ({ make }) => {
  const openPool = server.poolsOver(make())

  it('takes an object of sql-template-tag as a statement, everywhere a statement is taken', async () => {
    const pool = openPool()
    const ids = [3, 5]
    const statement = sql`select ${7}::int as seven, ${raw('1')} as one where 3 in (${join(ids)})`
    const rows = [{ seven: 7, one: 1 }]
    expect((await pool.query<{ seven: number }>(statement)).rows).toEqual(rows)
    await pool.use(async (lease) => {
      expect((await lease.query(statement)).rows).toEqual(rows)
      expect(await lease.batch([statement])).toMatchObject([{ value: { rows } }])
    })
    await pool.transaction(async (tx) => expect((await tx.query(statement)).rows).toEqual(rows))
    expect(await pool.transaction([statement])).toMatchObject([{ rows }])
    for await (const row of pool.stream(statement)) expect(row).toEqual(rows[0])
  })

  it('takes the statement object of pg, with its name and row mode', async () => {
    const pool = openPool()
    const statement = { name: 'seven', text: 'select $1::int as seven', values: [7] }
    expect((await pool.query(statement)).rows).toEqual([{ seven: 7 }])
    expect((await pool.query({ ...statement, rowMode: 'array' })).rows).toEqual([[7]])
  })
})
