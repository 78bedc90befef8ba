import { expect, test } from 'vitest'
import { guardProcess } from '../../support/process-guards.js'
import { ALL, called, describePgPools } from '../support/pg-pools.js'

guardProcess()

describePgPools(ALL, ({ make }) => {
  test('ends without having been used, by promise and by callback', async () => {
    await make().end()
    const [error] = await called<[unknown]>((callback) => make().end(callback as () => void))
    expect(error).toBeUndefined()
  })

  test('ends with idle clients, and says so', async () => {
    const pool = make()
    await pool.query('select 1')
    const ending = pool.end()
    expect(pool.ending).toBe(true)
    await ending
    expect([pool.ending, pool.ended, pool.totalCount]).toEqual([true, true, 0])
  })

  test('lets the queries that are under way finish', async () => {
    const pool = make({ max: 20 })
    const queries = Array.from({ length: 20 }, () => pool.query('select $1::text as name', ['x']))
    await pool.end()
    const results = await Promise.all(queries)
    expect(results.map(({ rows }) => rows)).toEqual(results.map(() => [{ name: 'x' }]))
  })

  test('waits for the clients that are out', async () => {
    const pool = make()
    const client = await pool.connect()
    let over = false
    const ending = pool.end().then(() => {
      over = true
    })
    expect((await client.query('select 1 as n')).rows).toEqual([{ n: 1 }])
    expect(over).toBe(false)
    client.release()
    await ending
  })

  test('rejects everything afterwards', async () => {
    const pool = make()
    await pool.end()
    await expect(pool.connect()).rejects.toThrow('Cannot use a pool after calling end on the pool')
    await expect(pool.query('select 1')).rejects.toThrow('Cannot use a pool after calling end')
    await expect(pool.end()).rejects.toThrow('Called end on pool more than once')
  })

  test('calls back with an error for everything afterwards', async () => {
    const pool = make()
    await called((callback) => pool.end(callback as () => void))
    const [ofQuery] = await called<[Error]>((callback) => pool.query('select', callback as never))
    const [ofConnect] = await called<[Error]>((callback) => pool.connect(callback as never))
    const [ofEnd] = await called<[Error]>((callback) => pool.end(callback as never))
    expect([ofQuery, ofConnect, ofEnd].map((error) => error instanceof Error)).toEqual([
      true,
      true,
      true,
    ])
  })
})
