import { beforeEach, describe, expect, it } from 'vitest'
import type { FailoverPool } from '../../../src/index.js'
import {
  a,
  b,
  clock,
  failover,
  listen,
  makeCluster,
  race,
  ready,
  warm,
  watch,
} from '../support/fake-cluster.js'

beforeEach(makeCluster)

/** Loses the primary, holds this many calls, and promotes `b`. */
async function promoteUnder(
  pool: FailoverPool,
  count: number,
  call: (i: number) => Promise<unknown> = (i) => pool.query(`insert ${i}`),
): Promise<{ value?: unknown; error?: unknown }[]> {
  a.kill()
  await clock.advance(50)
  const calls = Array.from({ length: count }, (_, i) => watch(call(i)))
  b.promote()
  for (let i = 0; i < 30 && pool.topology.current.primary?.id !== 'b'; i++) await clock.advance(10)
  return calls
}

/** Holds a connection for this long. */
async function occupy(pool: FailoverPool, ms: number): Promise<string> {
  await pool.use(() => new Promise<void>((resolve) => clock.setTimer(resolve, ms)))
  return 'done'
}

describe('slow start', () => {
  it('S74: opens one connection first, and more step by step', async () => {
    const pool = failover()
    await ready(pool)
    b.driver.options.connectMs = 10
    const opened: number[] = []
    b.pool.on('connect', () => opened.push(clock.now()))
    const calls = await promoteUnder(pool, 100, () => occupy(pool, 300))
    expect(b.pool.stats().total).toBe(1)
    await clock.advance(2_000)
    expect(opened.length).toBe(10)
    // One in the first 50 ms, all ten within a quarter of a second.
    expect(opened.filter((at) => at < opened[0]! + 45)).toHaveLength(1)
    expect(opened.at(-1)! - opened[0]!).toBeLessThan(250)
    await clock.advance(20_000)
    expect(calls.every(({ value }) => value !== undefined)).toBe(true)
    await race(pool.close())
  })

  it('uses every warm connection of a promoted replica at once', async () => {
    const pool = failover()
    await ready(pool)
    await warm(b)
    await promoteUnder(pool, 20, () => occupy(pool, 10_000))
    expect(b.pool.stats()).toMatchObject({ leased: 2, total: 2 })
    await race(pool.close({ timeoutMs: 0 }))
  })

  it('lets no new call overtake a held one', async () => {
    const pool = failover()
    await ready(pool)
    await warm(b)
    const calls = await promoteUnder(pool, 30)
    calls.push(watch(pool.query('insert 30')))
    await clock.advance(1_000)
    expect(b.executed).toEqual(Array.from({ length: 31 }, (_, i) => `insert ${i}`))
    // Afterwards no call waits any more.
    const now = watch(pool.query('insert 31'))
    await clock.settle()
    expect(now.value).toBeDefined()
    await pool.close()
  })

  it('holds the remaining calls when the new primary is lost meanwhile, with an event', async () => {
    const pool = failover()
    await ready(pool)
    const heard = listen(pool, 'hold', 'resume')
    const calls = await promoteUnder(pool, 200)
    b.kill()
    await clock.advance(500)
    b.mood = 'up'
    await clock.advance(3_000)
    expect(calls.every(({ value }) => value !== undefined)).toBe(true)
    expect(heard.map(({ name }) => name)).toEqual(['hold', 'resume', 'hold', 'resume'])
    await pool.close()
  })

  it('does not happen at the start of the process', async () => {
    const pool = failover()
    const calls = Array.from({ length: 50 }, (_, i) => watch(pool.query(`insert ${i}`)))
    await clock.settle()
    expect(calls.every(({ value }) => value !== undefined)).toBe(true)
    await pool.close()
  })
})
