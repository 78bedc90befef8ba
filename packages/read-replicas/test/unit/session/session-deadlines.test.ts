import { ConnectionLostError, type QueryResult } from '@poolhouse/core'
import { describe, expect, test } from 'vitest'
import { withReplicas } from '../../../src/index.js'
import { FakePool } from '../fake-pool.js'
import { ManualClock, settle } from '../manual-clock.js'
import { FakeTopology, nodeOf, sequence, startSetting } from '../setting.js'

/** Whether the promise has settled by now. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false
  const end = (): void => {
    settled = true
  }
  promise.then(end, end)
  await settle()
  return settled
}

describe('a session and a server that does not tell its position', () => {
  test('F33: a read goes to the primary when a replica that has shown something is silent', async () => {
    const { db, clock, b } = await startSetting({ strategy: 'roundRobin' })
    const session = db.session()
    expect((await session.reader().query('select 1')).node).toBe('b')
    b.hangs = true
    b.answer = () => {
      throw new ConnectionLostError('it is gone', { executed: 'unknown' })
    }
    const read = session.reader().query('select 1')
    await clock.advance(99)
    expect(await isSettled(read)).toBe(false)
    await clock.advance(1)
    expect(await isSettled(read)).toBe(true)
    expect((await read).node).toBe('a')
  })

  test('F33: a read with a shorter time limit ends in time', async () => {
    const { db, clock, b } = await startSetting({ strategy: 'roundRobin' })
    const session = db.session()
    expect((await session.reader().query('select 1')).node).toBe('b')
    b.hangs = true
    b.answer = () => {
      throw new ConnectionLostError('it is gone', { executed: 'unknown' })
    }
    const read = session.reader().query('select 1', undefined, { timeoutMs: 30 })
    await clock.advance(30)
    expect(await isSettled(read)).toBe(true)
  })

  test.each(['query', 'transaction', 'use'] as const)(
    'D6: a write by %s is told of its success before its time is up',
    async (way) => {
      const { db, clock, primary } = await startSetting()
      const session = db.session()
      primary.hangs = true
      const limits = { timeoutMs: 300 }
      const write =
        way === 'query'
          ? session.query('insert into t values (1)', undefined, limits)
          : way === 'transaction'
            ? session.transaction((tx) => tx.query('insert into t values (1)'), limits)
            : session.use((lease) => lease.query('insert into t values (1)', undefined, limits))
      await clock.advance(299)
      expect(await isSettled(write)).toBe(false)
      await clock.advance(1)
      expect(await isSettled(write)).toBe(true)
      await write
      // Its position is not known, so only the primary is certain to show it.
      expect(session.token).toBe('v1.strong')
    },
  )

  test('a write without a deadline waits half a second for its position', async () => {
    const { db, clock, primary } = await startSetting()
    const session = db.session()
    primary.hangs = true
    const write = session.query('insert into t values (1)')
    await clock.advance(499)
    expect(await isSettled(write)).toBe(false)
    await clock.advance(1)
    expect(await isSettled(write)).toBe(true)
    expect(session.token).toBe('v1.strong')
  })

  test('a write whose signal fires resolves at once', async () => {
    const { db, primary } = await startSetting()
    const session = db.session()
    primary.hangs = true
    const caller = new AbortController()
    const write = session.query('insert into t values (1)', undefined, { signal: caller.signal })
    expect(await isSettled(write)).toBe(false)
    caller.abort()
    expect(await isSettled(write)).toBe(true)
    expect((await write).node).toBe('a')
    expect(session.token).toBe('v1.strong')
  })
})

test('F01: a read that was lost with the primary is sent once more', async () => {
  const { db, primary } = await startSetting()
  const lost = new ConnectionLostError('it is gone', { executed: 'unknown' })
  const failures: Error[] = [lost]
  primary.answer = ({ text }) => {
    if (text === 'select 1' && failures.length > 0) throw failures.pop()
  }
  const reader = db.session('v1.strong').reader()
  expect((await reader.query('select 1')).node).toBe('a')
  expect(db.stats().routing).toMatchObject({ retried: 1 })
  failures.push(lost, lost)
  await expect(db.session('v1.strong').reader().query('select 1')).rejects.toBe(lost)
  // Work on a connection is done only once.
  failures.push(lost)
  const use = db.session('v1.strong').use((lease) => lease.query('select 1'), { intent: 'read' })
  await expect(use).rejects.toBe(lost)
})

test('F03: a write stops waiting for the position of a server that is lost', async () => {
  const [a, b] = [new FakePool('a'), new FakePool('b')]
  a.inRecovery = false
  a.hangs = true
  const topology = new FakeTopology([nodeOf(a, 'primary'), nodeOf(b, 'replica')])
  const follower = Object.assign(new FakePool('follower'), {
    topology,
    query: (...call: Parameters<FakePool['query']>): Promise<QueryResult<never>> =>
      a.query<never>(...call),
  })
  const clock = new ManualClock()
  await using db = withReplicas(follower, topology, { clock, random: sequence() })
  const session = db.session()
  const write = session.query('insert into t values (1)')
  expect(await isSettled(write)).toBe(false)
  topology.show([nodeOf(a, 'unreachable'), nodeOf(b, 'replica')])
  expect(await isSettled(write)).toBe(true)
  expect((await write).node).toBe('a')
  expect(session.token).toBe('v1.strong')
  expect(a.sessions.map(({ closed }) => closed)).toEqual([true])
})

test('F03: a read that was held through a failover binds the session to the server that answered it', async () => {
  const [a, b] = [new FakePool('a'), new FakePool('b')]
  a.inRecovery = false
  const topology = new FakeTopology([nodeOf(a, 'primary'), nodeOf(b, 'replica')])
  let release: () => void = () => {}
  const held = new Promise<void>((resolve) => {
    release = resolve
  })
  const follower = Object.assign(new FakePool('follower'), {
    topology,
    query: async (...call: Parameters<FakePool['query']>): Promise<QueryResult<never>> => {
      await held
      return await b.query<never>(...call)
    },
  })
  const clock = new ManualClock()
  await using db = withReplicas(follower, topology, { clock, random: sequence() })
  const session = db.session()
  const read = session.reader().query('select 1')
  await settle()
  a.hangs = true
  b.inRecovery = false
  topology.show([nodeOf(a, 'unreachable'), nodeOf(b, 'primary')])
  release()
  expect((await read).node).toBe('b')
  const next = session.reader().query('select 1')
  expect(await isSettled(next)).toBe(true)
  expect((await next).node).toBe('b')
  // The server that is gone was not asked for its position.
  expect(a.sessions).toEqual([])
})
