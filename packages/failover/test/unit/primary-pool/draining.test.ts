import { beforeEach, describe, expect, it } from 'vitest'
import {
  a,
  b,
  clock,
  failover,
  listen,
  makeCluster,
  ready,
  watch,
} from '../support/fake-cluster.js'

const OTHER = '7000000000000000002'

beforeEach(makeCluster)

describe('drain', () => {
  it('takes a replica out of the replicas, and resolves when nothing is under way on it', async () => {
    const pool = failover()
    await ready(pool)
    const heard = listen(pool, 'topology')
    const lease = await b.pool.acquire()
    const drained = watch(pool.drain('b'))
    await clock.advance(100)
    const { replicas, nodes } = pool.topology.current
    expect(replicas.map(({ id }) => id)).toEqual(['c'])
    expect(nodes[1]).toMatchObject({ state: 'draining', reason: 'replica, drained by an operator' })
    expect(heard).toMatchObject([{ reason: /"b" \(b:5432\) draining \(replica, drained/ }])
    expect(drained.settledAt).toBeUndefined()
    await lease.query('select 1')
    lease.release()
    await clock.advance(100)
    expect(drained.settledAt).toBeDefined()
    expect(drained.error).toBeUndefined()
    await pool.close()
  })

  it('S39: lasts through the death and the return of the node', async () => {
    const pool = failover()
    await ready(pool)
    await pool.drain('b')
    b.kill()
    await clock.advance(3_000)
    expect(pool.topology.current.nodes[1]?.state).toBe('unreachable')
    b.mood = 'up'
    await clock.advance(3_000)
    expect(pool.topology.current.nodes[1]?.state).toBe('draining')
    pool.undrain('b')
    expect(pool.topology.current.nodes[1]?.state).toBe('replica')
    await pool.close()
  })

  it('refuses the primary and points to switchover', async () => {
    const pool = failover()
    await ready(pool)
    await expect(pool.drain('a')).rejects.toThrow(/"a" is the primary.*switchover\(fn\)/)
    expect(await pool.query('insert 1')).toMatchObject({ node: 'a' })
    await pool.close()
  })

  it('gives a drained node the writes if it is promoted', async () => {
    const pool = failover()
    await ready(pool)
    await pool.drain('b')
    a.kill()
    b.promote()
    await clock.advance(2_000)
    expect(await pool.query('insert 1')).toMatchObject({ node: 'b' })
    await pool.close()
  })

  it('says what is still under way when its time is over, and the node stays drained', async () => {
    const pool = failover()
    await ready(pool)
    const lease = await b.pool.acquire()
    const drained = watch(pool.drain('b', { timeoutMs: 300 }))
    await clock.advance(400)
    expect((drained.error as Error).message).toMatch(
      /1 calls are still under way on "b" after 300 ms/,
    )
    expect(pool.topology.current.nodes[1]?.state).toBe('draining')
    lease.release()
    await pool.close()
  })

  it('refuses unknown nodes with the names of those there are', async () => {
    const pool = failover()
    await ready(pool)
    await expect(pool.drain('d')).rejects.toThrow(/no node "d"; its nodes: "a", "b", "c"/)
    expect(() => pool.undrain('d')).toThrow(RangeError)
    await pool.close()
  })
})

describe('acceptSystem', () => {
  it('S66: refuses a foreign system until it is accepted, and the former one afterwards', async () => {
    const pool = failover({ minimumTimeline: 1 })
    await ready(pool)
    const heard = listen(pool, 'foreign', 'topology')
    a.timeline = 7
    await clock.advance(2_000)
    // After pg_upgrade: the same address, another system, and timelines from 1.
    a.systemId = OTHER
    a.timeline = 1
    await clock.advance(2_000)
    expect(heard).toContainEqual(expect.objectContaining({ name: 'foreign', systemId: OTHER }))
    const held = watch(pool.query('insert 1'))
    await clock.advance(500)
    expect(held).toEqual({})
    pool.acceptSystem(OTHER)
    await clock.advance(500)
    expect(held).toMatchObject({ value: { node: 'a' } })
    expect(pool.topology.current).toMatchObject({ systemId: OTHER, timeline: 1 })
    expect(pool.topology.current.nodes.map(({ state }) => state)).toEqual([
      'primary',
      'foreign',
      'foreign',
    ])
    await pool.close()
  })

  it('drops the configured minimum, which was about the former system', async () => {
    const pool = failover({ minimumTimeline: 5, hold: { timeoutMs: 60_000 } })
    for (const server of [a, b]) server.timeline = 5
    await clock.advance(100)
    a.systemId = OTHER
    a.timeline = 1
    await clock.advance(2_000)
    pool.acceptSystem(OTHER)
    await clock.advance(100)
    expect(pool.topology.current.primary?.id).toBe('a')
    await pool.close()
  })

  it('refuses a system that no node has reported', async () => {
    const pool = failover()
    await ready(pool)
    expect(() => pool.acceptSystem('1')).toThrow(/no node .* belongs to system "1"; seen: 70+1$/)
    await pool.close()
  })
})
