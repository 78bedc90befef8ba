import { NoPrimaryError } from '@poolhouse/core'
import { beforeEach, describe, expect, it } from 'vitest'
import {
  type DiscoveredNode,
  type Discovery,
  type DiscoveryAnswer,
  type FailoverOptions,
  type FailoverPool,
  withFailover,
} from '../../../src/index.js'
import { a, b, c, clock, listen, makeCluster, race, watch } from '../support/fake-cluster.js'
import { FakeServer } from '../support/fake-server.js'

let answer: () => DiscoveryAnswer | Promise<DiscoveryAnswer>
let servers: Map<string, FakeServer>
let made: string[]

beforeEach(() => {
  makeCluster()
  servers = new Map([a, b, c].map((server) => [server.name, server]))
  made = []
  answer = () => lists('a', 'b', 'c')
})

const node = (host: string, more: Partial<DiscoveredNode> = {}): DiscoveredNode => ({
  host,
  port: 5432,
  ...more,
})
const lists = (...names: string[]): DiscoveryAnswer => ({ nodes: names.map((name) => node(name)) })
const source: Discovery = { name: 'a list', next: async () => await answer() }

function discovering(options: FailoverOptions = {}): FailoverPool {
  const pool = ({ host }: DiscoveredNode) => {
    made.push(host)
    return servers.get(host)!.pool
  }
  return withFailover(
    { discover: source, pool, intervalMs: 1_000 },
    { clock, random: () => 0.5, ...options },
  )
}

const states = (pool: FailoverPool): Record<string, string> =>
  Object.fromEntries(pool.topology.current.nodes.map(({ id, state }) => [id, state]))

describe('discovered nodes', () => {
  it('are found before the first call gets its answer', async () => {
    const pool = discovering()
    expect(await race(pool.query('insert 1'))).toMatchObject({ node: 'a' })
    expect(states(pool)).toEqual({ a: 'primary', b: 'replica', c: 'replica' })
    expect(pool.name).toBe('failover(a list)')
    await pool.close()
  })

  it('S46: get a pool within the interval after they are listed, and have their zone', async () => {
    answer = () => lists('a', 'b')
    const pool = discovering()
    await race(pool.query('insert 1'))
    const heard = listen(pool, 'topology')
    answer = () => ({ nodes: [node('a'), node('b'), node('c', { zone: 'z2' })] })
    await clock.advance(1_100)
    expect(states(pool)).toEqual({ a: 'primary', b: 'replica', c: 'replica' })
    expect(pool.topology.current.nodes[2]?.zone).toBe('z2')
    expect(heard[0]?.['reason']).toMatch(/^"c" \(c:5432\) joined/)
    await pool.close()
  })

  it('S46: are drained when they are not listed any more, and closed when nothing is under way', async () => {
    const pool = discovering()
    await race(pool.query('insert 1'))
    const lease = await c.pool.acquire()
    const { epoch } = pool.topology.current
    answer = () => lists('a', 'b')
    await clock.advance(1_100)
    expect(states(pool)).toMatchObject({ c: 'draining' })
    expect(pool.topology.current.nodes[2]?.reason).toBe('replica, not listed by a list any more')
    await clock.advance(20_000)
    await lease.query('select 1')
    lease.release()
    await clock.advance(2_000)
    expect(states(pool)).toEqual({ a: 'primary', b: 'replica' })
    expect(pool.topology.current.epoch).toBeGreaterThan(epoch)
    expect(c.driver.open.size).toBe(0)
    await pool.close()
  })

  it('S46: are closed after a minute even if work is still under way', async () => {
    const pool = discovering()
    await race(pool.query('insert 1'))
    await c.pool.acquire()
    answer = () => lists('a', 'b')
    await clock.advance(60_000)
    expect(c.driver.open.size).toBeGreaterThan(0)
    await clock.advance(3_000)
    expect(c.driver.open.size).toBe(0)
    expect(states(pool)).toEqual({ a: 'primary', b: 'replica' })
    await pool.close()
  })

  it('S46: stay when the list is empty or discovery fails, which is reported once', async () => {
    const pool = discovering()
    await race(pool.query('insert 1'))
    const errors = listen(pool, 'error')
    answer = () => lists()
    await clock.advance(10_000)
    answer = () => Promise.reject(new Error('resolver down'))
    await clock.advance(120_000)
    expect(states(pool)).toEqual({ a: 'primary', b: 'replica', c: 'replica' })
    expect(errors.map(({ error }) => (error as Error).message)).toEqual([
      'a list failed, and the nodes stay as they are: it lists no nodes; see POOLHOUSE_ERROR',
    ])
    await pool.close()
  })

  it('are named, with the failure of discovery, in the error of a call that finds no primary', async () => {
    answer = () => Promise.reject(new Error('resolver down'))
    const pool = discovering({ hold: { timeoutMs: 500 } })
    const call = watch(pool.query('insert 1'))
    await clock.advance(600)
    expect(call.error).toBeInstanceOf(NoPrimaryError)
    expect((call.error as Error).message).toMatch(
      /none has been discovered yet; a list failed.*resolver down/,
    )
    await pool.close()
  })

  it('include a primary that is not listed, until there is another one', async () => {
    const pool = discovering()
    await race(pool.query('insert 1'))
    answer = () => lists('b', 'c')
    await clock.advance(120_000)
    expect(await pool.query('insert 2')).toMatchObject({ node: 'a' })
    a.asReplica()
    b.promote()
    await clock.advance(10_000)
    expect(await pool.query('insert 3')).toMatchObject({ node: 'b' })
    expect(states(pool)).toEqual({ b: 'primary', c: 'replica' })
    await pool.close()
  })

  it('prefer the listed one if two claim to be primary', async () => {
    const pool = discovering()
    await race(pool.query('insert 1'))
    const heard = listen(pool, 'split-brain')
    answer = () => lists('b', 'c')
    await clock.advance(1_100)
    b.promote(1)
    await clock.advance(2_000)
    expect(pool.topology.current.primary?.id).toBe('b')
    expect(states(pool)['a']).toBe('fenced')
    expect(heard).toEqual([])
    await pool.close()
  })

  it('S62: are probed at once if the list contradicts their role, and their answer counts', async () => {
    const pool = discovering({ probe: { intervalMs: 60_000 } })
    await race(pool.query('insert 1'))
    const before = b.probedAt.length
    answer = () => ({
      nodes: [node('a', { role: 'replica' }), node('b', { role: 'primary' }), node('c')],
    })
    await clock.advance(3_000)
    expect(b.probedAt.length).toBeGreaterThan(before)
    expect(pool.topology.current.primary?.id).toBe('a')
    b.promote()
    await clock.advance(1_500)
    expect(pool.topology.current.primary?.id).toBe('b')
    await pool.close()
  })

  it('get no reads if the list says so', async () => {
    answer = () => ({
      nodes: [node('a'), node('b', { noReads: 'tagged noloadbalance' }), node('c')],
    })
    const pool = discovering()
    await race(pool.query('insert 1'))
    expect(states(pool)).toEqual({ a: 'primary', b: 'draining', c: 'replica' })
    expect(pool.topology.current.nodes[1]?.reason).toBe('replica, tagged noloadbalance')
    await pool.close()
  })

  it('F21: keep their pool when they flap, without leaving a timer or session behind', async () => {
    const pool = discovering()
    await race(pool.query('insert 1'))
    let turn = 0
    answer = () => (turn++ % 2 === 0 ? lists('a', 'b') : lists('a', 'b', 'c'))
    await clock.advance(5_000)
    const timers = clock.pendingTimers
    const sessions = c.driver.open.size
    await clock.advance(60_000)
    expect(made).toEqual(['a', 'b', 'c'])
    expect(clock.pendingTimers).toBeLessThanOrEqual(timers + 2)
    expect(c.driver.open.size).toBe(sessions)
    await pool.close()
    expect(clock.pendingTimers).toBe(0)
  })

  it('F21: leave nothing behind when they go for good', async () => {
    const pool = discovering()
    await race(pool.query('insert 1'))
    await clock.advance(10_000)
    const timers = clock.pendingTimers
    for (let round = 0; round < 20; round++) {
      const name = `n${round}`
      servers.set(name, new FakeServer(name, clock).asReplica())
      answer = () => lists('a', 'b', 'c', name)
      await clock.advance(2_000)
      answer = () => lists('a', 'b', 'c')
      await clock.advance(8_000)
    }
    await clock.advance(10_000)
    expect(Object.keys(states(pool))).toEqual(['a', 'b', 'c'])
    expect(clock.pendingTimers).toBeLessThanOrEqual(timers + 1)
    for (const [name, { driver }] of servers) {
      if (name.startsWith('n')) expect(driver.open.size + driver.connecting).toBe(0)
    }
    await race(pool.close())
    expect(clock.pendingTimers).toBe(0)
    for (const { driver } of servers.values()) expect(driver.open.size).toBe(0)
  })

  it('S39: are still drained when they come back', async () => {
    const pool = discovering()
    await race(pool.query('insert 1'))
    await pool.drain('c')
    answer = () => lists('a', 'b')
    await clock.advance(10_000)
    expect(Object.keys(states(pool))).toEqual(['a', 'b'])
    servers.set('c', new FakeServer('c', clock).asReplica())
    answer = () => lists('a', 'b', 'c')
    await clock.advance(2_000)
    expect(states(pool)['c']).toBe('draining')
    pool.undrain('c')
    expect(states(pool)['c']).toBe('replica')
    await pool.close()
  })

  it('are left out, and reported once, if no pool can be made for them', async () => {
    const errors: unknown[] = []
    const pool = withFailover(
      {
        discover: source,
        intervalMs: 1_000,
        pool: ({ host }) => {
          if (host === 'c') throw new Error('no such server')
          return servers.get(host)!.pool
        },
      },
      { clock, random: () => 0.5 },
    )
    pool.on('error', ({ error }) => errors.push(error))
    expect(await race(pool.query('insert 1'))).toMatchObject({ node: 'a' })
    await clock.advance(10_000)
    expect(errors).toMatchObject([
      { message: 'node c:5432 cannot be used: no such server; see POOLHOUSE_ERROR' },
    ])
    await pool.close()
  })

  it('are asked for every second while there is no primary', async () => {
    let asked = 0
    answer = () => {
      asked++
      return { ...lists('a', 'b'), validMs: 60_000 }
    }
    const pool = discovering()
    await race(pool.query('insert 1'))
    await clock.advance(30_000)
    // Once more than its time to live asks for, because there was no primary yet at first.
    expect(asked).toBe(2)
    a.kill()
    c.promote()
    answer = () => lists('a', 'b', 'c')
    const held = watch(pool.query('insert 2'))
    await clock.advance(1_500)
    expect(held).toMatchObject({ value: { node: 'c' } })
    await pool.close()
  })

  it('are not asked for again if they never change', async () => {
    let asked = 0
    answer = () => {
      asked++
      return { ...lists('a', 'b', 'c'), validMs: Number.POSITIVE_INFINITY }
    }
    const pool = discovering()
    await race(pool.query('insert 1'))
    a.kill()
    await clock.advance(300_000)
    expect(asked).toBe(1)
    await pool.close()
  })

  it.each<[string, unknown, RegExp]>([
    ['no discovery', { discover: {}, pool: () => a.pool }, /discover must be a discovery/],
    ['no factory', { discover: source, pool: {} }, /pool must be a function/],
    [
      'an unknown option',
      { discover: source, pool: () => a.pool, interval: 1 },
      /unknown option "interval"/,
    ],
    [
      'an impossible interval',
      { discover: source, pool: () => a.pool, intervalMs: 0 },
      /intervalMs must/,
    ],
  ])('are refused with %s', (_title, given, message) => {
    expect(() => withFailover(given as never)).toThrow(message)
  })
})
