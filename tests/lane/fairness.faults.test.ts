import type { ConnectionPool } from '@poolhouse/core'
import { beforeAll, describe, expect, it } from 'vitest'
import { DRIVERS } from '../support/drivers.js'
import { guardProcess } from '../support/process-guards.js'
import { testServer } from '../support/servers/test-server.js'
import { ask, COUNT, count, learn, makeNumbers, outcomes } from './shared-calls.js'

guardProcess()
const server = testServer()
beforeAll(() => makeNumbers(server))
const FOR_MS = 1_500

/**
 * Runs `work` again and again in `size` lines until the time is over; returns what each has done.
 */
async function repeat(size: number, work: (line: number) => Promise<unknown>): Promise<number[]> {
  const until = performance.now() + FOR_MS
  return await Promise.all(
    Array.from({ length: size }, async (_, line) => {
      let done = 0
      while (performance.now() < until) {
        await work(line)
        done++
      }
      return done
    }),
  )
}

const quickly = (pool: ConnectionPool) => async (n: number) =>
  expect(await outcomes([ask(pool, n)], n)).toEqual(['ok'])

describe.each(DRIVERS)('beside endless shared calls, over $driver', ({ make }) => {
  const openPool = server.poolsOver(make())

  it.each([1, 2])('T114: leases of a pool of %i and the calls both go on', async (max) => {
    const pool = openPool({ max, multiplex: 'auto' })
    await learn(pool)
    const [shared, leased, written] = await Promise.all([
      repeat(50, quickly(pool)),
      repeat(3, () =>
        pool.use(async (lease) => {
          await lease.query('select pg_sleep(0.002)')
          await lease.query('select 1')
        }),
      ),
      repeat(2, () => pool.query('select pg_sleep(0.001)')),
    ])
    // Each of them, not only all together.
    for (const done of [...shared, ...leased, ...written]) expect(done).toBeGreaterThan(3)
  })

  it('T114: reports of 50 ms and quick calls both go on', async () => {
    const pool = openPool({ max: 10, multiplex: 'auto' })
    await learn(pool)
    await learn(pool, COUNT, [1])
    const slowest = { quick: 0 }
    const [quick, reports] = await Promise.all([
      repeat(100, async (n) => {
        const startedAt = performance.now()
        await quickly(pool)(n)
        slowest.quick = Math.max(slowest.quick, performance.now() - startedAt)
      }),
      // Some 50 ms of the server each, which their text does not show at first.
      repeat(2, async (n) => expect(await count(pool, 300_000 + n)).toBe(300_000 + n)),
    ])
    for (const done of [...quick, ...reports]) expect(done).toBeGreaterThan(1)
    expect(slowest.quick).toBeLessThan(FOR_MS)
  })
})
