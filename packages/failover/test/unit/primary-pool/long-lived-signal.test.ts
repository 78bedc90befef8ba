import { getEventListeners } from 'node:events'
import type { Pool } from '@poolhouse/core'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { a, b, clock, failover, makeCluster, ready, watch } from '../support/fake-cluster.js'

beforeEach(makeCluster)

type Limits = { signal: AbortSignal; timeoutMs?: number }
type Call = (pool: Pool, limits: Limits) => Promise<unknown>

const CALLS: [string, Call][] = [
  ['query', (pool, limits) => pool.query('select 1', [], limits)],
  ['acquire', async (pool, limits) => (await pool.acquire(limits)).release()],
  ['use', (pool, limits) => pool.use((lease) => lease.query('select 1'), limits)],
  ['transaction', (pool, limits) => pool.transaction((tx) => tx.query('select 1'), limits)],
  ['stream', (pool, { signal }) => pool.stream('select 1', [], { signal }).next()],
  ['copyTo', (pool, limits) => pool.copyTo('copy t to stdout', limits).next()],
  ['copyFrom', (pool, limits) => pool.copyFrom('copy t from stdin', ['1\n'], limits)],
  ['listen', async (pool, limits) => (await pool.listen('jobs', () => undefined, limits)).close()],
  ['ready', (pool, limits) => pool.ready(limits)],
]

const listeners = (signal: AbortSignal): number => getEventListeners(signal, 'abort').length

describe('a signal that outlives its call', () => {
  it.each(CALLS)('T101: keeps no listener of %s', async (_name, call) => {
    const pool = failover()
    await ready(pool)
    const { signal } = new AbortController()
    const done = watch(call(pool, { signal }))
    await clock.advance(5_000)
    expect(done.settledAt).toBeDefined()
    expect(listeners(signal)).toBe(0)
    await pool.close()
  })

  it.each(CALLS)('T101: keeps no listener of %s that was held', async (_name, call) => {
    a.kill()
    const pool = failover()
    const { signal } = new AbortController()
    const done = watch(call(pool, { signal }))
    await clock.advance(1_000)
    expect(done).toEqual({})
    expect(listeners(signal)).toBe(1)
    b.promote()
    await clock.advance(5_000)
    expect(done.settledAt).toBeDefined()
    expect(done.error).toBeUndefined()
    expect(listeners(signal)).toBe(0)
    await pool.close()
  })

  it.each(CALLS)('T101: keeps no listener of %s that was held in vain', async (_name, call) => {
    a.kill()
    const pool = failover({ hold: { timeoutMs: 3_000 } })
    const { signal } = new AbortController()
    const done = watch(call(pool, { signal, timeoutMs: 4_000 }))
    await clock.advance(20_000)
    expect(done.error).toBeDefined()
    expect(listeners(signal)).toBe(0)
    await pool.close()
  })

  it.each(CALLS)('T101: keeps no listener of %s that closing refuses', async (_name, call) => {
    a.kill()
    const pool = failover()
    const { signal } = new AbortController()
    const done = watch(call(pool, { signal }))
    await clock.advance(1_000)
    const closed = watch(pool.close({ timeoutMs: 0 }))
    await clock.advance(5_000)
    expect(closed.settledAt).toBeDefined()
    expect(done.error).toBeDefined()
    expect(listeners(signal)).toBe(0)
  })

  it.each(CALLS.filter(([name]) => name !== 'ready'))(
    'T101: keeps no listener of %s that is sent again after a pause',
    async (_name, call) => {
      const pool = failover()
      await ready(pool)
      const { signal } = new AbortController()
      const added = vi.spyOn(signal, 'addEventListener')
      a.kill()
      a.mood = 'starting'
      const done = watch(call(pool, { signal }))
      await clock.advance(200)
      a.mood = 'up'
      await clock.advance(10_000)
      expect(done.settledAt).toBeDefined()
      expect(added).toHaveBeenCalled()
      expect(listeners(signal)).toBe(0)
      await pool.close({ timeoutMs: 0 })
    },
  )
})
