import { DatabaseError, InDoubtError } from '@poolhouse/core'
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
  ready,
  warm,
  watch,
} from '../support/fake-cluster.js'

beforeEach(makeCluster)

describe('losing the primary', () => {
  it('F01: follows a promotion after the primary was killed, and keeps the pool of the new one', async () => {
    const pool = failover()
    await ready(pool)
    await warm(b)
    const session = [...b.driver.open].at(-1)
    a.kill()
    await clock.advance(50)
    expect(pool.topology.current.primary).toBeUndefined()
    expect(pool.topology.current.nodes[0]?.state).toBe('unreachable')
    const call = watch(pool.query('insert 1'))
    await clock.advance(1_000)
    expect(call).toEqual({})
    b.promote()
    await clock.advance(250)
    expect(call.value).toMatchObject({ node: 'b' })
    expect(session?.alive).toBe(true)
    expect(session?.statements).toContain('insert 1')
    await pool.close()
  })

  it('probes the other nodes at once when the primary dies, even without a call', async () => {
    const pool = failover({ probe: { intervalMs: 60_000 } })
    await ready(pool)
    await clock.advance(1_000)
    a.kill()
    b.promote()
    await clock.advance(250)
    expect(pool.topology.current.primary?.id).toBe('b')
    await pool.close()
  })

  it('F03: declares a frozen primary dead after two probes, and settles each call with its true outcome', async () => {
    const pool = failover()
    await ready(pool)
    const heard = listen(pool, 'in-doubt')
    a.freeze()
    const write = watch(pool.query('insert 1'))
    const read = watch(pool.query('select 1', [], { intent: 'read' }))
    const queued = watch(pool.query('insert 3'))
    const open = watch(pool.transaction((tx) => tx.query('insert 2')))
    await clock.advance(2_100)
    expect(pool.topology.current.nodes[0]?.state).toBe('unreachable')
    expect(write.error).toBeInstanceOf(InDoubtError)
    expect(write.error).toMatchObject({ executed: 'unknown' })
    // Work that was provably not done waits for the next primary, and so does the read.
    expect([queued, open, read]).toEqual([{}, {}, {}])
    expect(heard).toMatchObject([{ name: 'in-doubt', node: 'a' }])
    b.promote()
    await clock.advance(300)
    expect(read.value).toMatchObject({ node: 'b' })
    expect(queued.value).toMatchObject({ node: 'b' })
    expect(open.value).toMatchObject({ node: 'b' })
    await pool.close()
  })

  it('sends a lost read again even if it took longer than a call may wait', async () => {
    const pool = failover({ hold: { timeoutMs: 1_000 } })
    await ready(pool)
    a.script = ({ text }) => (text === 'report' ? { hang: true } : undefined)
    const read = watch(pool.query('report', [], { intent: 'read' }))
    await clock.advance(20_000)
    a.kill()
    b.promote()
    await clock.advance(300)
    expect(read.value).toMatchObject({ node: 'b' })
    await pool.close()
  })

  it('S60: sends nothing to a frozen primary that wakes up after a promotion', async () => {
    const pool = failover()
    await ready(pool)
    const heard = listen(pool, 'fenced')
    a.freeze()
    b.promote()
    const call = watch(pool.query('insert 1'))
    await clock.advance(1_300)
    // One regular probe of b is enough; it does not wait for a.
    expect(pool.topology.current.primary?.id).toBe('b')
    expect(call.error).toBeInstanceOf(InDoubtError)
    a.mood = 'up'
    for (let i = 0; i < 50; i++) {
      await pool.query(`insert ${i}`)
      await clock.advance(100)
    }
    expect(a.executed).toEqual([])
    expect(b.executed).toHaveLength(50)
    expect(pool.topology.current.nodes[0]?.state).toBe('fenced')
    // Once when b was seen, because of a's former answer; once more for its answer after waking up.
    const event = { node: 'a', timeline: 1, highest: 2 }
    expect(heard).toMatchObject([event, event])
    await pool.close()
  })

  it('F02: takes the old primary back as a replica', async () => {
    const pool = failover()
    await ready(pool)
    a.kill()
    b.promote()
    await clock.advance(500)
    a.mood = 'up'
    a.asReplica().timeline = 2
    await clock.advance(2_000)
    expect(pool.topology.current.replicas.map(({ id }) => id)).toEqual(['a', 'c'])
    await pool.close()
  })

  it('F12: follows two failovers in a row', async () => {
    const pool = failover()
    await ready(pool)
    a.kill()
    b.promote(2)
    await expect(race(pool.query('insert 1'))).resolves.toMatchObject({ node: 'b' })
    b.kill()
    c.promote(3)
    await expect(race(pool.query('insert 2'))).resolves.toMatchObject({ node: 'c' })
    expect(pool.topology.current.timeline).toBe(3)
    await pool.close()
  })

  it('S67: resumes on the same node if that comes back', async () => {
    const pool = failover()
    await ready(pool)
    a.kill()
    const call = watch(pool.query('insert 1'))
    await clock.advance(300)
    a.mood = 'starting'
    await clock.advance(300)
    expect(pool.topology.current.nodes[0]?.state).toBe('starting')
    a.mood = 'up'
    await clock.advance(300)
    expect(call.value).toMatchObject({ node: 'a' })
    await pool.close()
  })

  it('S70: sends a write that a demoted server refused to the new primary', async () => {
    const pool = failover()
    await ready(pool)
    a.asReplica()
    b.promote()
    await expect(race(pool.query('insert 1'))).resolves.toMatchObject({ node: 'b' })
    await pool.close()
  })

  it('rejects with 25006 if the server is verified as the primary and refuses again', async () => {
    const pool = failover()
    await ready(pool)
    let asked = 0
    a.script = ({ text }) => {
      if (!text.startsWith('insert')) return undefined
      asked++
      return { error: new DatabaseError('read-only', { code: '25006', severity: 'ERROR' }) }
    }
    const call = watch(pool.query('insert 1'))
    await clock.advance(500)
    expect(call.error).toMatchObject({ code: '25006' })
    expect(asked).toBe(2)
    await pool.close()
  })

  it('sends a write that was refused before and after the primary was read-only', async () => {
    const pool = failover()
    await ready(pool)
    let asked = 0
    a.script = ({ text }) => {
      if (!text.startsWith('insert') || asked === 2) return undefined
      asked++
      // By default its transactions are read-only, for a second each time.
      a.readOnly = true
      clock.setTimer(() => {
        a.readOnly = false
      }, 1_000)
      return { error: new DatabaseError('read-only', { code: '25006', severity: 'ERROR' }) }
    }
    const call = watch(pool.query('insert 1'))
    await clock.advance(10_000)
    expect(call.error).toBeUndefined()
    expect(call.value).toBeDefined()
    expect(asked).toBe(2)
    await pool.close()
  })

  it('T105: sends a write that a read-only session refuses at most twice, however many retries are left', async () => {
    const pool = failover()
    await ready(pool)
    // Earns the right to retry a hundred calls.
    for (let call = 0; call < 1_000; call++) await pool.query('select 1')
    let asked = 0
    a.script = ({ text }) => {
      if (!/^(?:insert|copy)/.test(text)) return undefined
      asked++
      return { error: new DatabaseError('read-only', { code: '25006', severity: 'ERROR' }) }
    }
    const writes: (() => Promise<unknown>)[] = [
      () => pool.query('insert 1'),
      () => pool.transaction((tx) => tx.query('insert 1')),
      () => pool.copyFrom('copy t from stdin', ['1\n']),
      () => pool.stream('insert 1 returning 1').next(),
    ]
    for (const write of writes) {
      asked = 0
      const call = watch(write())
      await clock.advance(5_000)
      expect(call.error).toMatchObject({ code: '25006' })
      expect([1, 2]).toContain(asked)
    }
    await pool.close()
  })

  it('S71: rejects with 25006 of a READ ONLY transaction without a probe', async () => {
    const pool = failover()
    await ready(pool)
    a.script = ({ text }) =>
      text.startsWith('insert')
        ? { error: new DatabaseError('read-only', { code: '25006', severity: 'ERROR' }) }
        : undefined
    const probes = a.probedAt.length
    const call = watch(pool.transaction((tx) => tx.query('insert 1'), { readOnly: true }))
    await clock.advance(100)
    expect(call.error).toMatchObject({ code: '25006' })
    expect(a.probedAt).toHaveLength(probes)
    await pool.close()
  })

  it('S12: does not probe or hold because of ordinary errors', async () => {
    const pool = failover()
    await ready(pool)
    a.script = ({ text }) =>
      text === 'bad'
        ? { error: new DatabaseError('no such column', { code: '42703', severity: 'ERROR' }) }
        : undefined
    await expect(pool.query('bad')).rejects.toMatchObject({ code: '42703' })
    expect(pool.topology.current.primary?.id).toBe('a')
    await pool.close()
  })

  it('S11: leaves the pools of the other nodes alone', async () => {
    const pool = failover()
    await ready(pool)
    await warm(b)
    const sessions = [...b.driver.open]
    a.kill()
    await clock.advance(1_000)
    expect(sessions.every(({ alive }) => alive)).toBe(true)
    await pool.close()
  })

  it('F44: does not take its own stall for the silence of the servers', async () => {
    const pool = failover({ probe: { intervalMs: 100 } })
    await ready(pool)
    const heard = listen(pool, 'topology')
    for (const server of [a, b, c]) server.driver.options.statementMs = 50
    for (let i = 0; i < 20; i++) {
      await clock.advance(110)
      clock.stall(5_000)
    }
    await clock.advance(500)
    expect(pool.topology.current.primary?.id).toBe('a')
    expect(heard).toEqual([])
    await pool.close()
  })

  it('an untouched slow query outlives the watchdog while its server answers probes', async () => {
    const pool = failover()
    await ready(pool)
    a.script = ({ text }) => (text === 'slow' ? { hang: true } : undefined)
    const call = watch(pool.query('slow'))
    await clock.advance(30_000)
    expect(call).toEqual({})
    expect(pool.topology.current.primary?.id).toBe('a')
    await race(pool.close({ timeoutMs: 0 }))
  })

  it('notices a silent primary by the watchdog although probes are rare', async () => {
    const pool = failover({ probe: { intervalMs: 60_000 } })
    await ready(pool)
    await clock.advance(1_000)
    a.freeze()
    const call = watch(pool.query('insert 1'))
    await clock.advance(3_400)
    expect(call.error).toBeInstanceOf(InDoubtError)
    expect(call.settledAt).toBeGreaterThan(3_000)
    await pool.close()
  })

  it('S65: holds writes while two servers claim one timeline, until one gives up', async () => {
    const pool = failover({ hold: { timeoutMs: 60_000 } })
    await ready(pool)
    const heard = listen(pool, 'split-brain')
    b.promote(1)
    await clock.advance(1_300)
    expect(pool.topology.current.primary).toBeUndefined()
    expect(heard).toMatchObject([{ nodes: ['a', 'b'], timeline: 1 }])
    const call = watch(pool.query('insert 1'))
    await clock.advance(5_000)
    expect(call).toEqual({})
    // Silence does not count as giving up.
    b.freeze()
    await clock.advance(5_000)
    expect(call).toEqual({})
    b.kill()
    await clock.advance(1_000)
    expect(call.value).toMatchObject({ node: 'a' })
    expect(heard).toHaveLength(1)
    await pool.close()
  })

  it('never sends a procedure again that was refused as a write, because it may have committed a part', async () => {
    const pool = failover()
    await ready(pool)
    let calls = 0
    a.script = ({ text }) => {
      if (text !== 'call p()') return undefined
      calls++
      return { error: new DatabaseError('read-only', { code: '25006', severity: 'ERROR' }) }
    }
    const call = watch(pool.query('call p()'))
    await clock.advance(1_000)
    expect(call.error).toMatchObject({ code: '25006', executed: 'unknown' })
    expect(calls).toBe(1)
    await pool.close()
  })

  it('runs a lost read again only in a read-only transaction, and is in doubt if it tries to write', async () => {
    const pool = failover()
    await ready(pool)
    a.script = ({ text }) => (text === 'select f()' ? { hang: true } : undefined)
    b.script = ({ text }) => {
      if (text !== 'select f()' || b.executed.at(-1) !== 'BEGIN READ ONLY') return undefined
      return { error: new DatabaseError('read-only', { code: '25006', severity: 'ERROR' }) }
    }
    const read = watch(pool.query('select f()', [], { intent: 'read' }))
    await clock.advance(100)
    a.kill()
    b.promote()
    await clock.advance(1_000)
    expect(read.error).toBeInstanceOf(InDoubtError)
    expect(b.executed).toEqual(['BEGIN READ ONLY', 'ROLLBACK'])
    await pool.close()
  })
})
