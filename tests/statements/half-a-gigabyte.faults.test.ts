import { describe, expect, it } from 'vitest'
import { DRIVERS } from '../support/drivers.js'
import { failureOf } from '../support/failure-of.js'
import { PID, testServer } from '../support/servers/test-server.js'

const server = testServer()
// What V8 takes, and one more.
const LIMIT = 536_870_888

describe.each(DRIVERS)('over $driver', ({ make }) => {
  const openPool = server.poolsOver(make())

  it('T12: a value longer than a string of V8 fails its statement alone, which has been executed', async () => {
    const pool = openPool({ max: 1 })
    const { rows } = await pool.query(PID)
    await pool.query('create table if not exists huge (body text)')
    const text = `insert into huge values (repeat('x', ${LIMIT + 1})) returning body`
    const error = await failureOf(pool.query(text))
    expect(error).toMatchObject({ name: 'PoolhouseError', executed: 'yes' })
    expect((await pool.query('select length(body) as n from huge')).rows).toEqual([
      { n: LIMIT + 1 },
    ])
    expect((await pool.query(PID)).rows).toEqual(rows)
    await pool.query('drop table huge')
  }, 120_000)

  it('T12: values of a gigabyte are refused before anything is sent', async () => {
    const pool = openPool({ max: 1 })
    const half = 'é'.repeat(270_000_000)
    const values = [half, half]
    const error = await failureOf<RangeError>(
      pool.query('select length($1::text) + length($2::text)', values),
    )
    expect(error).toBeInstanceOf(RangeError)
    expect(error.message).toContain('less than a gigabyte')
    expect(pool.stats().counters.created).toBe(0)
  }, 120_000)
})
