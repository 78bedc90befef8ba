import { AbortError, NoPrimaryError, PoolClosedError } from '@poolhouse/core'
import { beforeEach, describe, expect, it } from 'vitest'
import {
  a,
  b,
  c,
  clock,
  failover,
  listen,
  makeCluster,
  race,
  watch,
} from '../support/fake-cluster.js'

beforeEach(makeCluster)

describe('holding', () => {
  beforeEach(() => {
    a.kill()
  })

  it('releases held calls in order of arrival', async () => {
    const pool = failover()
    const heard = listen(pool, 'hold', 'resume')
    const calls = Array.from({ length: 20 }, (_, i) => pool.query(`insert ${i}`))
    await clock.advance(1_000)
    expect(pool.stats().pending).toBe(20)
    b.promote()
    await clock.advance(1_000)
    await Promise.all(calls)
    expect(b.executed).toEqual(Array.from({ length: 20 }, (_, i) => `insert ${i}`))
    expect(heard).toMatchObject([{ name: 'hold' }, { name: 'resume', held: 20 }])
    await pool.close()
  })

  it('F11: rejects at the deadline with the state of each node', async () => {
    const pool = failover({ hold: { timeoutMs: 3_000 } })
    const call = watch(pool.query('insert 1'))
    await clock.advance(2_999)
    expect(call).toEqual({})
    await clock.advance(2)
    expect(call.error).toBeInstanceOf(NoPrimaryError)
    expect(call.error).toMatchObject({ executed: 'no' })
    const { message } = call.error as Error
    expect(message).toMatch(/held for 300\d ms/)
    expect(message).toMatch(/"a" unreachable \(connect ECONNREFUSED\), "b" replica/)
    await pool.close()
  })

  it('rejects at the deadline of the call if that is earlier', async () => {
    const pool = failover()
    const call = watch(pool.query('insert 1', [], { timeoutMs: 500 }))
    await clock.advance(502)
    expect(call.error).toBeInstanceOf(NoPrimaryError)
    expect(call.settledAt).toBeLessThan(502)
    await pool.close()
  })

  it("gives the node what is left of the call's time", async () => {
    const pool = failover()
    const call = watch(pool.query('insert 1', [], { timeoutMs: 2_000 }))
    b.script = () => ({ hang: true })
    await clock.advance(1_000)
    b.promote()
    await clock.advance(1_500)
    expect(call.error).toMatchObject({ name: 'StatementTimeoutError' })
    expect(call.settledAt).toBeLessThan(2_260)
    await race(pool.close({ timeoutMs: 0 }))
  })

  it('rejects at once beyond maxCalls', async () => {
    const pool = failover({ hold: { maxCalls: 2 } })
    await clock.advance(10)
    const held = [watch(pool.query('insert 1')), watch(pool.query('insert 2'))]
    await expect(pool.query('insert 3')).rejects.toThrow(/2 calls are held already/)
    await clock.advance(100)
    expect(held).toEqual([{}, {}])
    await pool.close()
  })

  it('rejects at once with hold: false', async () => {
    const pool = failover({ hold: false })
    await clock.advance(10)
    const call = watch(pool.query('insert 1'))
    await clock.settle()
    expect(call.error).toBeInstanceOf(NoPrimaryError)
    await pool.close()
  })

  it('lets a held call be aborted', async () => {
    const pool = failover()
    const abort = new AbortController()
    const call = watch(pool.acquire({ signal: abort.signal }))
    await clock.advance(100)
    abort.abort('enough')
    await clock.settle()
    expect(call.error).toBeInstanceOf(AbortError)
    expect(call.error).toMatchObject({ executed: 'no', cause: 'enough' })
    expect(pool.stats().pending).toBe(0)
    await pool.close()
  })

  it('rejects held calls when it is closed, and leaves no timer', async () => {
    const pool = failover()
    const calls = [
      watch(pool.query('insert 1')),
      watch(pool.acquire()),
      watch(pool.transaction((tx) => tx.query('insert 2'))),
    ]
    await clock.advance(100)
    const first = pool.close()
    expect(pool.close()).toBe(first)
    await clock.advance(3_000)
    await first
    for (const { error } of calls) expect(error).toBeInstanceOf(PoolClosedError)
    await expect(pool.query('select 1')).rejects.toBeInstanceOf(PoolClosedError)
    expect(clock.pendingTimers).toBe(0)
    for (const { driver } of [a, b, c]) expect(driver.open.size + driver.connecting).toBe(0)
  })

  it('refuses wrong options of close and stays open', async () => {
    const pool = failover()
    await expect(pool.close({ timeoutMs: -1 })).rejects.toThrow(RangeError)
    b.promote()
    await clock.advance(500)
    expect(await pool.query('insert 1')).toMatchObject({ node: 'b' })
    await pool.close()
  })

  it.each([
    ['timeoutMs', { timeoutMs: 'soon' }],
    ['signal', { signal: 'now' }],
  ])('refuses a wrong %s at once instead of after the wait', async (name, options) => {
    const pool = failover()
    const call = watch(pool.query('insert 1', [], options as never))
    await clock.settle()
    expect((call.error as Error).message).toContain(name)
    await pool.close()
  })

  it('S08: probes every node at once when a call finds no primary', async () => {
    const pool = failover({ probe: { intervalMs: 60_000 } })
    await clock.advance(1_000)
    b.promote()
    const call = watch(pool.query('insert 1'))
    await clock.advance(250)
    expect(call.value).toMatchObject({ node: 'b' })
    await pool.close()
  })
})
