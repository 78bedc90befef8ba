import type { TopologySnapshot } from '@poolhouse/core'
import { beforeEach, describe, expect, it } from 'vitest'
import { a, b, c, clock, failover, makeCluster, watch } from '../support/fake-cluster.js'

beforeEach(makeCluster)

describe('T93: ready', () => {
  it('resolves when the primary is known and its pool has a connection', async () => {
    const pool = failover()
    await pool.ready()
    expect(pool.topology.current.primary?.id).toBe('a')
    expect(a.pool.stats()).toMatchObject({ total: 1, idle: 1 })
    expect(b.pool.stats().total).toBe(0)
    await pool.close()
  })

  it('waits for a primary without counting as a held call, even with hold: false', async () => {
    a.kill()
    const pool = failover({ hold: false })
    const ready = watch(pool.ready())
    await clock.advance(3_000)
    expect(ready).toEqual({})
    expect(pool.stats().pending).toBe(0)
    b.promote()
    await clock.advance(1_500)
    expect(ready.settledAt).toBeDefined()
    expect(ready.error).toBeUndefined()
    expect(b.pool.stats().total).toBe(1)
    await pool.close()
  })

  it('goes on with the next primary when the one it waits for is lost', async () => {
    const pool = failover()
    await clock.settle()
    await a.pool.recycle()
    a.freeze()
    a.pool.destroyAll('to have none')
    const ready = watch(pool.ready())
    await clock.advance(100)
    expect(ready).toEqual({})
    b.promote()
    await clock.advance(3_000)
    expect(ready).toMatchObject({ value: undefined })
    expect(ready.settledAt).toBeDefined()
    expect(ready.error).toBeUndefined()
    await pool.close()
  })

  it('rejects with NoPrimaryError after its time, by default that of hold', async () => {
    for (const server of [a, b, c]) server.kill()
    const pool = failover({ hold: { timeoutMs: 4_000 } })
    const startedAt = clock.now()
    const byDefault = watch(pool.ready())
    const shorter = watch(pool.ready({ timeoutMs: 1_000 }))
    const longer = watch(pool.ready({ timeoutMs: 9_000 }))
    await clock.advance(10_000)
    for (const [seen, ms] of [
      [shorter, 1_000],
      [byDefault, 4_000],
      [longer, 9_000],
    ] as const) {
      expect(seen.error).toMatchObject({ name: 'NoPrimaryError', executed: 'no' })
      expect(seen.settledAt! - startedAt).toBe(ms)
    }
    await pool.close()
  })

  it('rejects at once if waiting is pointless, when its signal fires and when the pool closes', async () => {
    for (const server of [a, b, c]) server.mood = 'denying'
    const refused = failover()
    const denied = watch(refused.ready())
    await clock.advance(300)
    expect(denied.error).toMatchObject({ name: 'AuthenticationError' })
    await refused.close()

    makeCluster()
    for (const server of [a, b, c]) server.kill()
    const pool = failover()
    const abort = new AbortController()
    const aborted = watch(pool.ready({ signal: abort.signal }))
    const closed = watch(pool.ready())
    await clock.settle()
    abort.abort('enough')
    await clock.settle()
    expect(aborted.error).toMatchObject({ name: 'AbortError', executed: 'no', cause: 'enough' })
    const closing = pool.close()
    await clock.advance(1_000)
    await closing
    expect(closed.error).toMatchObject({ name: 'PoolClosedError' })
    await expect(pool.ready()).rejects.toMatchObject({ name: 'PoolClosedError' })
    expect(clock.pendingTimers).toBe(0)
  })
})

describe('T93: the lag of a replica', () => {
  const lags = ({ replicas }: TopologySnapshot): Record<string, number | undefined> =>
    Object.fromEntries(replicas.map(({ id, lag }) => [id, lag?.ms]))

  it('is known with the first round of probes', async () => {
    const pool = failover()
    await clock.settle()
    expect(lags(pool.topology.current)).toEqual({ b: 0, c: 0 })
    await pool.close()
  })

  it('is asked for again at once while it is unknown, and then less and less often', async () => {
    b.lsn = c.lsn = '0/2FFFFF0'
    const pool = failover()
    await clock.advance(4)
    expect(lags(pool.topology.current)).toEqual({ b: undefined, c: undefined })
    c.lsn = a.lsn
    await clock.advance(15)
    expect(lags(pool.topology.current)).toEqual({ b: undefined, c: expect.any(Number) })
    await clock.advance(2_000)
    expect(b.probedAt.length).toBeGreaterThan(5)
    expect(b.probedAt.length).toBeLessThan(16)
    expect(c.probedAt.length).toBeLessThan(6)
    b.lsn = a.lsn
    await clock.advance(1_200)
    expect(lags(pool.topology.current)).toEqual({ b: expect.any(Number), c: expect.any(Number) })
    await pool.close()
  })
})
