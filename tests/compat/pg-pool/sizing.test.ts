import { expect, test } from 'vitest'
import { guardProcess } from '../../support/process-guards.js'
import { until } from '../../support/until.js'
import { ALL, BOTH, describePgPools } from '../support/pg-pools.js'

guardProcess()

describePgPools(ALL, ({ make }) => {
  test('serves more callers than it has clients', async () => {
    const pool = make({ max: 3 })
    const work = Array.from({ length: 30 }, async () => {
      const client = await pool.connect()
      const { rows } = await client.query('select $1::text as name', ['x'])
      client.release()
      return rows
    })
    const results = await Promise.all(work)
    expect(results).toEqual(results.map(() => [{ name: 'x' }]))
    expect(pool.totalCount).toBeLessThanOrEqual(3)
  })

  test('runs one query at a time with one client', async () => {
    const pool = make({ max: 1 })
    const text = `select count(*)::int as n from pg_stat_activity where query = $1 and state = 'active'`
    const queries = Array.from({ length: 10 }, () => pool.query(text, [text]))
    const counts = (await Promise.all(queries)).map(({ rows }) => rows[0].n)
    expect(counts).toEqual(counts.map(() => 1))
  })
})

describePgPools(BOTH, ({ make }) => {
  test('takes poolSize for max, and numbers as texts', async () => {
    const sizes = [make({ poolSize: 2 } as never), make({ max: '2' as never })]
    for (const pool of sizes) {
      const clients = await Promise.all([pool.connect(), pool.connect()])
      const third = pool.connect()
      expect([pool.totalCount, pool.waitingCount]).toEqual([2, 1])
      for (const client of clients) client.release()
      ;(await third).release()
    }
  })

  test('keeps min idle clients, and removes those above', async () => {
    const pool = make({ max: 2, min: 1, idleTimeoutMillis: 10 })
    const clients = await Promise.all([pool.connect(), pool.connect()])
    for (const client of clients) client.release()
    await until(() => pool.totalCount === 1)
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect([pool.totalCount, pool.idleCount]).toEqual([1, 1])
  })
})
