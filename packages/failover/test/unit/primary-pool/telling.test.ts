import type { Clock } from '@poolhouse/core'
import { beforeEach, describe, expect, it } from 'vitest'
import { a, b, c, clock, failover, listen, makeCluster, ready } from '../support/fake-cluster.js'

beforeEach(makeCluster)

describe('a failover pool', () => {
  it('relays the events of the nodes only while there is a listener', async () => {
    const pool = failover()
    await ready(pool)
    const heard: string[] = []
    const onAcquire = (event: { pool: string }): void => {
      heard.push(event.pool)
    }
    pool.on('acquire', onAcquire)
    await pool.query('insert 1')
    await clock.settle()
    expect(heard).toEqual(['a'])
    pool.off('acquire', onAcquire)
    await pool.query('insert 2')
    await clock.settle()
    expect(heard).toEqual(['a'])
    await pool.close()
  })

  it('adds up the statistics of its nodes', async () => {
    const pool = failover()
    await pool.query('insert 1')
    const stats = pool.stats()
    expect(stats.max).toBe(30)
    expect(Object.keys(stats.nodes ?? {})).toEqual(['a', 'b', 'c'])
    await pool.close()
  })

  it('reports once that a node is dead, however often it fails after that', async () => {
    const pool = failover()
    await ready(pool)
    const reasons: string[] = []
    pool.on('topology', ({ reason }) => reasons.push(reason))
    a.freeze()
    await clock.advance(30_000)
    expect(reasons).toHaveLength(1)
    expect(reasons[0]).toContain('unreachable')
    await pool.close()
  })

  it('S41: bounds the lag of an idle cluster by the interval of the probes', async () => {
    const pool = failover()
    await clock.advance(60_000)
    const lag = pool.topology.current.replicas[0]?.lag
    expect(lag?.bytes).toBe(0)
    expect(lag?.ms).toBeLessThanOrEqual(1_200)
    await pool.close()
  })

  it('S42: shows how a replica falls behind', async () => {
    const pool = failover()
    await clock.advance(3_000)
    a.lsn = '0/3000100'
    c.lsn = '0/3000100'
    await clock.advance(10_000)
    const [behind, fresh] = pool.topology.current.replicas
    expect(behind?.lag?.bytes).toBe(256)
    expect(behind?.lag?.ms).toBeGreaterThan(9_000)
    expect(fresh?.lag?.bytes).toBe(0)
    await pool.close()
  })

  it('F11, S61: lets no replica grow older while there is no primary to commit anything', async () => {
    const pool = failover()
    await clock.advance(3_000)
    a.lsn = '0/3000100'
    c.lsn = '0/3000100'
    await clock.advance(10_000)
    a.kill()
    await clock.advance(60_000)
    expect(pool.topology.current.primary).toBeUndefined()
    const [behind, fresh] = pool.topology.current.replicas
    expect(behind?.lag?.ms).toBeGreaterThan(8_000)
    expect(behind?.lag?.ms).toBeLessThan(12_000)
    expect(fresh?.lag?.ms).toBeLessThan(1_200)
    await pool.close()
  })

  it('T67: lets replicas grow older while the primary is only silent, and their lag in bytes is unknown', async () => {
    const pool = failover()
    await clock.advance(3_000)
    a.freeze()
    await clock.advance(10_000)
    const { primary, replicas } = pool.topology.current
    expect(primary).toBeUndefined()
    expect(replicas).toHaveLength(2)
    for (const { lag } of replicas) {
      expect(lag).toMatchObject({ still: false, bytes: undefined })
      expect(lag?.ms).toBeGreaterThan(8_500)
    }
    // Refused at last: from then on replicas do not grow older.
    a.kill()
    await clock.advance(2_000)
    const at = pool.topology.current.replicas[0]?.lag?.ms
    expect(pool.topology.current.replicas[0]?.lag).toMatchObject({ still: true, bytes: 0 })
    await clock.advance(20_000)
    expect(pool.topology.current.replicas[0]?.lag?.ms).toBe(at)
    await pool.close()
  })

  it('T67: lets replicas grow older while an unreachable server may have been promoted', async () => {
    const pool = failover()
    await clock.advance(3_000)
    a.kill()
    c.freeze()
    await clock.advance(10_000)
    const [lag] = pool.topology.current.replicas.map((replica) => replica.lag)
    expect(lag?.still).toBe(false)
    expect(lag?.ms).toBeGreaterThan(8_500)
    await pool.close()
  })

  it('T67: changes nothing when a replica that was silent for a moment is in the same life as before', async () => {
    const pool = failover()
    await clock.advance(3_000)
    a.kill()
    await clock.advance(5_000)
    const lagOf = (): unknown =>
      pool.topology.current.replicas.find(({ id }) => id === 'b')?.lag?.ms
    const before = lagOf()
    c.freeze()
    await clock.advance(2_000)
    expect(lagOf()).toBeGreaterThan(before as number)
    c.mood = 'up'
    await clock.advance(3_000)
    expect(lagOf()).toBe(before)
    await pool.close()
  })

  it('T66: gives the time of each lag', async () => {
    const pool = failover({ probe: { intervalMs: 5_000 } })
    await clock.advance(12_000)
    const [lag] = pool.topology.current.replicas.map((replica) => replica.lag)
    expect(lag?.still).toBe(false)
    const age = (lag?.ms ?? 0) + clock.now() - (lag?.at ?? 0)
    expect(age).toBeGreaterThan(0)
    expect(age).toBeLessThan(12_000)
    await pool.close()
  })

  it('lets replicas grow older while two servers claim to be primary', async () => {
    const pool = failover()
    await clock.advance(3_000)
    b.promote(1)
    await clock.advance(10_000)
    expect(pool.topology.current.primary).toBeUndefined()
    expect(pool.topology.current.replicas[0]?.lag?.ms).toBeGreaterThan(8_000)
    await pool.close()
  })

  it('gives subscribers the new and the former snapshot, each subscriber independently', async () => {
    const pool = failover()
    await ready(pool)
    const errors = listen(pool, 'error')
    const seen: [number, number][] = []
    pool.topology.subscribe(() => {
      throw new Error('a broken listener')
    })
    const end = pool.topology.subscribe((snapshot, previous) => {
      seen.push([snapshot.epoch, previous.epoch])
    })
    await pool.topology.refresh('a test')
    await clock.settle()
    expect(seen.length).toBeGreaterThanOrEqual(3)
    for (const [epoch, previous] of seen) expect(epoch).toBe(previous + 1)
    expect(errors.length).toBeGreaterThan(0)
    const count = seen.length
    end()
    await pool.topology.refresh('a test')
    expect(seen).toHaveLength(count)
    await pool.close()
  })

  it('resolves a refresh with probes sent after it, not with one under way', async () => {
    const pool = failover({ probe: { intervalMs: 60_000 } })
    await ready(pool)
    await clock.advance(1_000)
    for (const server of [a, b, c]) server.driver.options.statementMs = 100
    void pool.topology.refresh('the first')
    await clock.advance(50)
    a.asReplica()
    b.promote()
    let primary: string | undefined
    void pool.topology.refresh('the second').then(() => {
      primary = pool.topology.current.primary?.id
    })
    await clock.advance(200)
    expect(primary).toBe('b')
    await pool.close()
  })

  it('keeps the process alive for as long as a refresh is under way', async () => {
    const keeping = new Set<object>()
    const watched: Clock = {
      ...clock,
      setTimer: (fire, delayMs, options) => {
        const timer = clock.setTimer(fire, delayMs, options)
        if (options?.keepAlive !== true) return timer
        keeping.add(timer)
        const cancel = (): void => {
          keeping.delete(timer)
          timer.cancel()
        }
        return { ...timer, cancel }
      },
    }
    const pool = failover({ clock: watched })
    await ready(pool)
    expect(keeping.size).toBe(0)
    const refreshed = pool.topology.refresh('a test')
    expect(keeping.size).toBe(1)
    await refreshed
    expect(keeping.size).toBe(0)
    await pool.close()
  })

  it('probes each node about once a second while all is well', async () => {
    const pool = failover()
    await clock.advance(60_000)
    for (const { probedAt } of [a, b, c]) {
      expect(probedAt.length).toBeGreaterThan(55)
      expect(probedAt.length).toBeLessThan(65)
    }
    await pool.close()
  })
})
