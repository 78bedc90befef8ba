import { AbortError, PoolClosedError } from '@poolhouse/core'
import { beforeEach, describe, expect, it } from 'vitest'
import {
  a,
  b,
  clock,
  failover,
  listen,
  makeCluster,
  race,
  ready,
  watch,
} from '../support/fake-cluster.js'

beforeEach(makeCluster)

/** Moves the primary from `a` to `b`, as a cluster does. */
async function promoteB(): Promise<string> {
  a.kill()
  await new Promise<void>((resolve) => clock.setTimer(resolve, 300))
  b.promote()
  return 'promoted'
}

describe('switchover', () => {
  it('S56: lets work under way finish, holds new calls, and sends them to the new primary', async () => {
    const pool = failover()
    await ready(pool)
    a.driver.options.statementMs = 400
    const slow = watch(pool.query('slow'))
    await clock.settle()
    a.driver.options.statementMs = 0
    const lease = await pool.acquire()
    let promotedAt = 0
    const done = watch(
      pool.switchover(async () => {
        promotedAt = clock.now()
        expect(slow.settledAt).toBeLessThanOrEqual(promotedAt)
        return await promoteB()
      }),
    )
    const held = Array.from({ length: 20 }, (_, i) => watch(pool.query(`insert ${i}`)))
    await clock.advance(500)
    // An open lease still works, and the switchover waits for it.
    await lease.query('insert on the lease')
    expect(promotedAt).toBe(0)
    lease.release()
    await clock.advance(3_000)
    expect(done).toMatchObject({ value: 'promoted' })
    for (const call of held) expect(call).toMatchObject({ value: { node: 'b' } })
    expect(b.executed).toEqual(Array.from({ length: 20 }, (_, i) => `insert ${i}`))
    expect(a.executed).toEqual(['slow', 'insert on the lease'])
    await pool.close()
  })

  it('releases held calls as soon as there is a new primary, even if fn has more to do', async () => {
    const pool = failover()
    await ready(pool)
    const done = watch(
      pool.switchover(async () => {
        await promoteB()
        await new Promise<void>((resolve) => clock.setTimer(resolve, 5_000))
      }),
    )
    const held = watch(pool.query('insert 1'))
    await clock.advance(800)
    expect(held).toMatchObject({ value: { node: 'b' } })
    expect(done).toEqual({})
    await clock.advance(5_000)
    expect(done.settledAt).toBeDefined()
    await pool.close()
  })

  it('says in one line which node was promoted and how long calls were held', async () => {
    const pool = failover()
    await ready(pool)
    const heard = listen(pool, 'topology', 'hold', 'resume')
    const done = pool.switchover(promoteB)
    const calls = Promise.all([pool.query('insert 1'), pool.query('insert 2')])
    await race(done)
    await race(calls)
    expect(heard[0]).toMatchObject({ name: 'hold', reason: /^a switchover is under way/ })
    const reasons = heard.map(({ reason }) => reason)
    expect(reasons).toContainEqual(
      expect.stringMatching(/^"b" \(b:5432\) promoted: timeline 1 → 2; 2 calls held \d+ ms/),
    )
    expect(heard.filter(({ name }) => name === 'resume')).toMatchObject([{ held: 2 }])
    await pool.close()
  })

  it('counts a restart in place as a move', async () => {
    const pool = failover()
    await ready(pool)
    const done = pool.switchover(async () => {
      a.kill()
      await new Promise<void>((resolve) => clock.setTimer(resolve, 300))
      a.mood = 'up'
      a.startedAt = '2026-01-02 00:00:00+00'
      return 'restarted'
    })
    const held = pool.query('insert 1')
    expect(await race(done)).toBe('restarted')
    expect(await race(held)).toMatchObject({ node: 'a' })
    await pool.close()
  })

  it('rejects with what fn rejects with, and calls go on where they were', async () => {
    const pool = failover()
    await ready(pool)
    const reason = new Error('the cluster said no')
    const done = watch(pool.switchover(() => Promise.reject(reason)))
    const held = watch(pool.query('insert 1'))
    await clock.advance(100)
    expect(done.error).toBe(reason)
    expect(held).toMatchObject({ value: { node: 'a' } })
    await pool.close()
  })

  it('rejects when fn has changed nothing, and calls go on where they were', async () => {
    const pool = failover()
    await ready(pool)
    const done = watch(pool.switchover(() => Promise.resolve()))
    const held = watch(pool.query('insert 1'))
    await clock.advance(1_200)
    expect(done.error).toMatchObject({ code: 'POOLHOUSE_SWITCHOVER' })
    expect((done.error as Error).message).toMatch(
      /"a" is still the primary.*fn promoted no other node/,
    )
    expect(held).toMatchObject({ value: { node: 'a' } })
    await pool.close()
  })

  it('does not call fn when the work under way does not end in time', async () => {
    const pool = failover()
    await ready(pool)
    const lease = await pool.acquire()
    let isCalled = false
    const done = watch(
      pool.switchover(
        async () => {
          isCalled = true
        },
        { timeoutMs: 500 },
      ),
    )
    const held = watch(pool.query('insert 1'))
    await clock.advance(600)
    expect((done.error as Error).message).toMatch(
      /1 calls were still under way on "a" after 500 ms/,
    )
    expect(isCalled).toBe(false)
    expect(held).toMatchObject({ value: { node: 'a' } })
    lease.release()
    await pool.close()
  })

  it('waits for fn no longer than its time, aborts its signal, and reports its failure', async () => {
    const pool = failover()
    await ready(pool)
    const errors = listen(pool, 'error')
    const late = new Error('too late')
    let told: AbortSignal | undefined
    const done = watch(
      pool.switchover(
        (signal) => {
          told = signal
          return new Promise((_, reject) => clock.setTimer(() => reject(late), 2_000))
        },
        { timeoutMs: 1_000 },
      ),
    )
    const held = watch(pool.query('insert 1'))
    await clock.advance(1_100)
    expect((done.error as Error).message).toMatch(/fn of the switchover did not end within 1000 ms/)
    expect(told?.aborted).toBe(true)
    expect(held).toMatchObject({ value: { node: 'a' } })
    await clock.advance(1_000)
    expect(errors).toMatchObject([{ error: late }])
    await pool.close()
  })

  it('refuses a second one meanwhile, and allows another one afterwards', async () => {
    const pool = failover()
    await ready(pool)
    const first = pool.switchover(async () => {
      await expect(pool.switchover(promoteB)).rejects.toThrow(/under way for \d+ ms/)
      return await promoteB()
    })
    await expect(pool.switchover(promoteB)).rejects.toMatchObject({ code: 'POOLHOUSE_SWITCHOVER' })
    await race(first)
    const second = watch(pool.switchover(() => Promise.reject(new Error('no'))))
    await clock.advance(100)
    expect(second.error).toMatchObject({ message: 'no' })
    await pool.close()
  })

  it('refuses to begin without a primary', async () => {
    a.kill()
    const pool = failover()
    await clock.advance(500)
    await expect(pool.switchover(promoteB)).rejects.toThrow(/has no primary to switch from/)
    await pool.close()
  })

  it('can be aborted by its signal', async () => {
    const pool = failover()
    await ready(pool)
    const lease = await pool.acquire()
    const abort = new AbortController()
    const done = watch(pool.switchover(promoteB, { signal: abort.signal }))
    const held = watch(pool.query('insert 1'))
    await clock.advance(100)
    abort.abort('changed our mind')
    await clock.advance(100)
    expect(done.error).toBeInstanceOf(AbortError)
    expect(done.error).toMatchObject({ executed: 'no', cause: 'changed our mind' })
    expect(held).toMatchObject({ value: { node: 'a' } })
    lease.release()
    await pool.close()
  })

  it('ends when the pool is closed, and leaves no timer', async () => {
    const pool = failover()
    await ready(pool)
    const done = watch(pool.switchover(() => new Promise(() => {})))
    const held = watch(pool.query('insert 1'))
    await clock.advance(100)
    await race(pool.close())
    expect(done.error).toBeInstanceOf(PoolClosedError)
    expect(held.error).toBeInstanceOf(PoolClosedError)
    expect(clock.pendingTimers).toBe(0)
  })

  it.each<[string, unknown, unknown, RegExp]>([
    ['no function', 'now', {}, /fn must be a function, got "now"/],
    ['an unknown option', async () => {}, { timeout: 1 }, /unknown option "timeout"/],
    ['an impossible time', async () => {}, { timeoutMs: 0 }, /timeoutMs must be above 0/],
    ['no signal', async () => {}, { signal: 1 }, /signal must be an AbortSignal/],
  ])('refuses %s', async (_title, fn, options, message) => {
    const pool = failover()
    await ready(pool)
    await expect(pool.switchover(fn as never, options as never)).rejects.toThrow(message)
    expect(await pool.query('insert 1')).toMatchObject({ node: 'a' })
    await pool.close()
  })
})
