import { beforeEach, describe, expect, it } from 'vitest'
import { withFailover } from '../../../src/index.js'
import {
  a,
  b,
  c,
  clock,
  failover,
  listen,
  makeCluster,
  race,
  ready,
  warm,
  watch,
} from '../support/fake-cluster.js'
import { FakeServer } from '../support/fake-server.js'

beforeEach(makeCluster)

describe('behind a pooler or a proxy', () => {
  it('a backend that does not belong to the session reveals a pooler, which is reported once', async () => {
    const pool = failover()
    await ready(pool)
    const heard = listen(pool, 'topology')
    a.backendPid = 4_711_000
    await clock.advance(5_000)
    a.backendPid = 4_712_000
    await clock.advance(5_000)
    const told = heard.filter(({ reason }) => /behind/.test(String(reason)))
    expect(told).toHaveLength(1)
    expect(told[0]?.['reason']).toMatch(
      /primary on timeline 1; behind a pooler: its sessions are served by processes of other sessions/,
    )
    await pool.close()
  })

  it('servers that take turns reveal a proxy, while a restart and a move do not', async () => {
    const pool = failover()
    await ready(pool)
    const reason = (): string => pool.topology.current.nodes[0]!.reason
    for (const startedAt of ['then', 'later', 'last']) {
      a.startedAt = startedAt
      await clock.advance(2_000)
      expect(reason()).toBe('primary on timeline 1')
    }
    a.startedAt = 'later'
    await clock.advance(2_000)
    expect(reason()).toBe('primary on timeline 1; behind a proxy: several servers answer in turn')
    await pool.close()
  })

  it('is known from the start if the pool is configured so', async () => {
    const behind = new FakeServer('p', clock, { pooler: 'pgbouncer' })
    const pool = withFailover([behind.pool], { clock, random: () => 0.5 })
    await race(pool.query('insert 1'))
    expect(pool.topology.current.nodes[0]?.reason).toBe('primary on timeline 1; behind pgbouncer')
    await pool.close()
  })

  it('silence destroys no connection, because one probe does not speak for all servers', async () => {
    a.backendPid = 4_711_000
    const pool = failover()
    await ready(pool)
    await warm(a)
    const open = a.pool.stats().total
    a.freeze()
    await clock.advance(5_000)
    expect(pool.topology.current.nodes[0]?.state).toBe('unreachable')
    expect(a.pool.stats().total).toBe(open)
    // Calls are held nevertheless.
    const held = watch(pool.query('insert 1'))
    await clock.advance(100)
    expect(held).toEqual({})
    a.mood = 'up'
    await clock.advance(3_000)
    await race(pool.close({ timeoutMs: 0 }))
  })

  it('a lower timeline holds calls and destroys no connection', async () => {
    a.backendPid = 4_711_000
    const pool = failover()
    a.timeline = 2
    await ready(pool)
    const open = a.pool.stats().total
    a.timeline = 1
    await clock.advance(1_500)
    const held = watch(pool.query('insert 1'))
    expect(pool.topology.current.nodes[0]?.state).toBe('fenced')
    expect(a.pool.stats().total).toBe(open)
    a.timeline = 2
    await clock.advance(1_500)
    expect(held).toMatchObject({ value: { node: 'a' } })
    expect([b, c].every(({ executed }) => executed.length === 0)).toBe(true)
    await pool.close()
  })

  it('a pooler that is gone has its connections destroyed', async () => {
    a.backendPid = 4_711_000
    const pool = failover()
    await ready(pool)
    a.mood = 'refusing'
    const [monitor] = a.driver.open
    monitor?.lose('server closed the connection')
    await clock.advance(3_000)
    expect(a.pool.stats().total).toBe(0)
    await pool.close()
  })
})
