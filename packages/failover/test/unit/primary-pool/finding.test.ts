import { FencedError, NoPrimaryError } from '@poolhouse/core'
import { beforeEach, describe, expect, it } from 'vitest'
import { a, b, c, clock, failover, listen, makeCluster, watch } from '../support/fake-cluster.js'

beforeEach(makeCluster)

describe('finding the primary', () => {
  it('sends everything to the one server that is not in recovery', async () => {
    const pool = failover()
    await pool.query('insert 1')
    await pool.use((lease) => lease.query('insert 2'))
    await pool.transaction((tx) => tx.query('insert 3'))
    const lease = await pool.acquire()
    await lease.query('insert 4')
    lease.release()
    expect(a.executed.filter((text) => text.startsWith('insert'))).toEqual([
      'insert 1',
      'insert 2',
      'insert 3',
      'insert 4',
    ])
    expect([...b.executed, ...c.executed]).toEqual([])
    await pool.close()
  })

  it('says which node served a call', async () => {
    const pool = failover()
    expect((await pool.query('select 1')).node).toBe('a')
    await pool.close()
  })

  it('holds calls while the first round is under way, even with hold: false', async () => {
    const pool = failover({ hold: false })
    await expect(pool.query('insert 1')).resolves.toMatchObject({ command: 'INSERT' })
    await pool.close()
  })

  it('S05: accepts a primary after 250 ms although another node does not answer', async () => {
    b.freeze()
    const pool = failover()
    const call = watch(pool.query('insert 1'))
    await clock.advance(249)
    expect(call).toEqual({})
    await clock.advance(2)
    expect(call.value).toBeDefined()
    await pool.close()
  })

  it('S04: does not wait for a node that refuses connections', async () => {
    b.kill()
    c.kill()
    const pool = failover()
    await clock.settle()
    expect(pool.topology.current.primary?.id).toBe('a')
    await pool.close()
  })

  it('S65: takes the highest timeline although the stale primary answers first', async () => {
    b.promote()
    b.driver.options.connectMs = 100
    const pool = failover()
    const call = watch(pool.query('insert 1'))
    await clock.advance(300)
    expect(call.value).toMatchObject({ node: 'b' })
    expect(a.executed).toEqual([])
    expect(pool.topology.current).toMatchObject({ timeline: 2 })
    expect(pool.topology.current.nodes[0]).toMatchObject({
      state: 'fenced',
      reason: 'claims to be primary on timeline 1, but timeline 2 has been seen',
    })
    await pool.close()
  })

  it('fences a lone primary below minimumTimeline', async () => {
    const pool = failover({ minimumTimeline: 5, hold: false })
    await clock.settle()
    await expect(pool.query('insert 1')).rejects.toThrow(/timeline 5 has been required/)
    await pool.close()
  })

  it('says by a FencedError that the only server that claims to be primary is fenced', async () => {
    b.kill()
    const pool = failover({ minimumTimeline: 5, hold: { timeoutMs: 100 } })
    const held = watch(pool.query('insert 1'))
    const readiness = watch(pool.ready({ timeoutMs: 100 }))
    await clock.advance(300)
    for (const { error } of [held, readiness] as { error?: Error }[]) {
      expect(error).toBeInstanceOf(NoPrimaryError)
      expect(error?.cause).toBeInstanceOf(FencedError)
      expect(error?.cause).toMatchObject({
        code: 'POOLHOUSE_FENCED',
        executed: 'no',
        retryable: true,
        message:
          '"a" is fenced (claims to be primary on timeline 1, but timeline 5 has been required); see POOLHOUSE_FENCED',
      })
    }
    await pool.close()
  })

  it('names both servers of a split brain in the FencedError', async () => {
    b.promote(1)
    const pool = failover({ hold: false })
    await clock.advance(300)
    await expect(pool.query('insert 1')).rejects.toMatchObject({
      name: 'NoPrimaryError',
      cause: {
        name: 'FencedError',
        message: expect.stringMatching(/^"a" is fenced \(split brain: .*; "b" is fenced \(split/),
      },
    })
    await pool.close()
  })

  it('keeps the failure of the first attempt as the cause of the FencedError', async () => {
    const pool = failover({ hold: false })
    await clock.advance(300)
    a.driver.options.connectMs = 1_000
    const waiting = watch(pool.query('insert 1'))
    b.promote()
    await pool.topology.refresh('b was promoted')
    b.kill()
    await clock.advance(1_500)
    expect(waiting.error).toMatchObject({
      name: 'NoPrimaryError',
      cause: { name: 'FencedError', cause: { executed: 'no' } },
    })
    await pool.close()
  })

  it('names no FencedError while the primary is read-only, or no server claims to be primary', async () => {
    b.promote()
    b.readOnly = true
    const pool = failover({ hold: false })
    await clock.advance(300)
    expect(pool.topology.current.nodes.map(({ state }) => state)).toEqual([
      'fenced',
      'primary-read-only',
      'replica',
    ])
    const whileReadOnly = watch(pool.query('insert 1'))
    a.asReplica()
    b.kill()
    await clock.advance(3_000)
    const withoutClaim = watch(pool.query('insert 2'))
    await clock.settle()
    for (const { error } of [whileReadOnly, withoutClaim]) {
      expect(error).toBeInstanceOf(NoPrimaryError)
      expect((error as Error).cause).toBeUndefined()
    }
    await pool.close()
  })

  it('S07: gives no work to a primary whose transactions are read-only by default', async () => {
    a.readOnly = true
    const pool = failover({ hold: false })
    await clock.settle()
    expect(pool.topology.current.nodes[0]?.state).toBe('primary-read-only')
    await expect(pool.query('insert 1')).rejects.toBeInstanceOf(NoPrimaryError)
    await pool.close()
  })

  it('S66: refuses a server of another system, with one event', async () => {
    c.systemId = '42'
    c.promote(9)
    const pool = failover()
    const heard = listen(pool, 'foreign')
    await clock.advance(5_000)
    expect(pool.topology.current.primary?.id).toBe('a')
    expect(pool.topology.current.nodes[2]?.state).toBe('foreign')
    expect(heard).toEqual([
      {
        name: 'foreign',
        pool: pool.name,
        node: 'c',
        systemId: '42',
        expected: a.systemId,
      },
    ])
    await pool.close()
  })
})
