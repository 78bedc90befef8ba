import { PoolClosedError } from '@poolhouse/core'
import { beforeEach, describe, expect, it } from 'vitest'
import { a, b, c, clock, failover, makeCluster, ready, watch } from '../support/fake-cluster.js'

beforeEach(makeCluster)

describe('closing with waiters: serve', () => {
  it('T68: serves held calls on a primary that appears in time, and refuses later calls', async () => {
    a.kill()
    const pool = failover()
    const held = [
      watch(pool.query('insert 1')),
      watch(pool.transaction((tx) => tx.query('insert 2'))),
      watch(pool.use((lease) => lease.query('insert 3'))),
      watch(pool.copyFrom('copy t from stdin', ['1\n'])),
    ]
    await clock.advance(1_000)
    const closing = watch(pool.close({ timeoutMs: 5_000, waiters: 'serve' }))
    const later = watch(pool.query('insert 4'))
    const streamed = watch(pool.stream('select 5').next())
    await clock.advance(500)
    expect(later.error).toBeInstanceOf(PoolClosedError)
    expect(streamed.error).toBeInstanceOf(PoolClosedError)
    expect(held).toEqual([{}, {}, {}, {}])
    b.promote()
    await clock.advance(1_500)
    expect(held.map(({ error }) => error)).toEqual([undefined, undefined, undefined, undefined])
    expect(b.executed).toEqual(expect.arrayContaining(['insert 1', 'insert 2', 'insert 3']))
    await clock.advance(1_000)
    expect(closing.settledAt).toBeLessThan(5_000)
    expect(clock.pendingTimers).toBe(0)
    for (const { driver } of [a, b, c]) expect(driver.open.size + driver.connecting).toBe(0)
  })

  it('T68: rejects calls that are still held at the deadline', async () => {
    a.kill()
    const pool = failover()
    const held = watch(pool.query('insert 1'))
    await clock.advance(100)
    const closing = watch(pool.close({ timeoutMs: 2_000, waiters: 'serve' }))
    await clock.advance(1_900)
    expect(held).toEqual({})
    await clock.advance(200)
    expect(held.error).toBeInstanceOf(PoolClosedError)
    expect(held.error).toMatchObject({ executed: 'no' })
    await clock.advance(2_000)
    expect(closing.settledAt).toBeDefined()
    expect(clock.pendingTimers).toBe(0)
  })

  it('T68: serves calls whose primary is lost while the pool closes', async () => {
    const pool = failover()
    await ready(pool)
    a.script = () => ({ hang: true })
    const busy = [watch(pool.query('select 1')), watch(pool.query('select 2'))]
    const others = Array.from({ length: 20 }, (_, n) => watch(pool.query(`insert ${n}`)))
    await clock.advance(10)
    const closing = watch(pool.close({ timeoutMs: 10_000, waiters: 'serve' }))
    await clock.advance(10)
    a.kill()
    await clock.advance(2_000)
    b.promote()
    await clock.advance(3_000)
    expect(busy.every(({ error }) => error !== undefined)).toBe(true)
    const unsent = others.filter(({ error }) => error === undefined)
    expect(unsent.length).toBeGreaterThan(5)
    expect(unsent.every(({ value }) => value !== undefined)).toBe(true)
    expect(closing.settledAt).toBeDefined()
  })

  it('T68: rejects a held listen at once, as a plain pool does', async () => {
    a.kill()
    const pool = failover()
    const listening = watch(pool.listen('jobs', () => {}))
    const held = watch(pool.query('insert 1'))
    await clock.advance(100)
    const closing = watch(pool.close({ timeoutMs: 5_000, waiters: 'serve' }))
    await clock.advance(10)
    expect(listening.error).toBeInstanceOf(PoolClosedError)
    expect(held).toEqual({})
    b.promote()
    await clock.advance(3_000)
    expect(held.value).toBeDefined()
    expect(closing.settledAt).toBeDefined()
  })

  it('T68: lets a switchover finish, and serves the calls that it held', async () => {
    const pool = failover()
    await ready(pool)
    const moved = watch(
      pool.switchover(async () => {
        await new Promise<void>((resolve) => clock.setTimer(resolve, 1_000))
        a.kill()
        b.promote()
      }),
    )
    await clock.advance(100)
    const held = watch(pool.query('insert 1'))
    await clock.advance(100)
    const closing = watch(pool.close({ timeoutMs: 9_000, waiters: 'serve' }))
    await clock.advance(5_000)
    expect(moved.error).toBeUndefined()
    expect(held.value).toBeDefined()
    expect(b.executed).toEqual(['insert 1'])
    expect(closing.settledAt).toBeDefined()
  })
})
