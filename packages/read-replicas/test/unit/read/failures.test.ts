import {
  AcquireTimeoutError,
  AuthenticationError,
  ConnectError,
  ConnectionLostError,
  InDoubtError,
  type Lease,
  NoSuitableNodeError,
  PoolClosedError,
  PoolOverloadedError,
} from '@poolhouse/core'
import { describe, expect, test } from 'vitest'
import { lost, refused, sqlError, unsent } from '../failures.js'
import type { FakePool } from '../fake-pool.js'
import { settle } from '../manual-clock.js'
import { served, startSetting, tally } from '../setting.js'

const failing =
  (error: Error): (() => Promise<never>) =>
  () =>
    Promise.reject(error)
const gauges = {
  pool: 'b',
  endpoint: 'b:5432/app',
  total: 1,
  idle: 0,
  leased: 1,
  connecting: 0,
  pending: 0,
  max: 1,
}
const sent = (...pools: FakePool[]): number[] => pools.map(({ asked }) => asked.length)

describe('a read whose replica fails', () => {
  test('S36: is sent again to the other replica, and later reads go there at once', async () => {
    const { db, b, c, events } = await startSetting({ strategy: 'roundRobin' })
    b.answer = failing(lost())
    b.down = refused()
    expect(tally(await served(db, 10))).toEqual(new Map([['c', 10]]))
    expect(sent(b, c)).toEqual([1, 10])
    expect(events).toEqual(['ejected b'])
  })

  test('S36: fails once with retries off, and later reads succeed', async () => {
    const { db, b } = await startSetting({ strategy: 'roundRobin', readRetries: 0 })
    b.answer = failing(lost())
    b.down = refused()
    await expect(db.reader().query('select 1')).rejects.toThrow(ConnectionLostError)
    expect(tally(await served(db, 10))).toEqual(new Map([['c', 10]]))
  })

  test('is sent again when its connection to the primary is lost, as often as the options say', async () => {
    for (const [readRetries, losses, outcome] of [
      [1, 1, 'a'],
      [1, 2, 'lost'],
      [0, 1, 'lost'],
    ] as const) {
      const { db, primary } = await startSetting({ readRetries })
      let left: number = losses
      primary.answer = ({ text }) =>
        text === 'select 1' && left-- > 0 ? failing(lost())() : undefined
      const read = db.reader({ maxStalenessMs: 0 }).query('select 1')
      const ended = await read.then(
        ({ node }) => node,
        (error: unknown) => (error instanceof ConnectionLostError ? 'lost' : error),
      )
      expect([readRetries, losses, ended]).toEqual([readRetries, losses, outcome])
    }
  })

  test('is sent when its connection to the primary is lost before that, as often as the options say', async () => {
    for (const [readRetries, losses, outcome] of [
      [1, 1, 'a'],
      [1, 2, 'no'],
      [0, 1, 'no'],
    ] as const) {
      const { db, primary } = await startSetting({ readRetries })
      let left: number = losses
      primary.answer = ({ text }) =>
        text === 'begin read only' && left-- > 0 ? failing(unsent())() : undefined
      const read = db.reader({ maxStalenessMs: 0 }).query('select 1')
      const ended = await read.then(
        ({ node }) => node,
        (error: unknown) => (error instanceof ConnectionLostError ? error.executed : error),
      )
      expect([readRetries, losses, ended]).toEqual([readRetries, losses, outcome])
    }
  })

  test('is sent no more often than the options say', async () => {
    const { db, primary, b, c } = await startSetting({ readRetries: 1 })
    b.answer = c.answer = failing(lost())
    await expect(db.reader().query('select 1')).rejects.toThrow(ConnectionLostError)
    expect(sent(primary, b, c)).toEqual([0, 1, 1])
  })

  test('tries every node and then the primary if it was not sent', async () => {
    const { db, b, c } = await startSetting({ readRetries: 1 })
    b.answer = c.answer = failing(unsent())
    expect((await db.reader().query('select 1')).node).toBe('a')
    expect(sent(b, c)).toEqual([1, 1])
  })

  test('keeps the deadline of the call over all attempts', async () => {
    const { db, b, c, clock } = await startSetting({ strategy: 'roundRobin' })
    b.answer = async () => {
      await clock.advance(300)
      throw lost()
    }
    await db.reader().query('select 1', undefined, { timeoutMs: 1_000 })
    expect(c.asked[0]?.options?.timeoutMs).toBe(700)
  })

  test('fails with the error of its node if the deadline has passed meanwhile', async () => {
    const { db, b, c, clock } = await startSetting({ strategy: 'roundRobin' })
    b.answer = async () => {
      await clock.advance(1_000)
      throw lost()
    }
    const late = db.reader().query('select 1', undefined, { timeoutMs: 900 })
    await expect(late).rejects.toThrow(ConnectionLostError)
    expect(c.asked).toEqual([])
  })

  test('S44: moves on after a conflict with recovery, and no node is ejected', async () => {
    const { db, b, c, events } = await startSetting({ strategy: 'roundRobin' })
    b.answer = failing(sqlError('40001', 'canceling statement due to conflict with recovery'))
    expect(tally(await served(db, 10))).toEqual(new Map([['c', 10]]))
    expect(b.asked.length).toBeGreaterThan(1)
    expect(c.asked).toHaveLength(10)
    expect(events).toEqual([])
  })

  test.each([
    ['an SQL error', sqlError('42P01')],
    ['S40: a full queue', new PoolOverloadedError('maxPending is 1', gauges)],
    ['S40: a wait in the queue', new AcquireTimeoutError(10, gauges)],
  ])('gets %s unchanged, and no node is ejected', async (_, error) => {
    const { db, b, c, events } = await startSetting()
    b.answer = c.answer = failing(error)
    await expect(db.reader().query('select 1')).rejects.toBe(error)
    expect(sent(b, c).sort()).toEqual([0, 1])
    await settle()
    expect(events).toEqual([])
  })

  const connect = (sqlState: string | undefined, cause?: object): ConnectError => {
    const words = Object.assign(new Error('no'), { severity: 'FATAL', code: sqlState }, cause)
    return new ConnectError('no', { endpoint: 'b', sqlState, cause: words })
  }

  test.each([
    ['starts up', connect('57P03')],
    ['is short of memory', connect('53200')],
    ['does not answer', new ConnectError('no answer', { endpoint: 'b' })],
    ['has crashed', sqlError('57P02', 'terminating connection', 'FATAL')],
    ['has a closed pool', new PoolClosedError('b')],
  ])('moves on and ejects its node, which %s', async (_, error) => {
    const { db, b, events } = await startSetting({ strategy: 'roundRobin' })
    b.answer = failing(error)
    expect((await db.reader().query('select 1')).node).toBe('c')
    expect(events).toEqual(['ejected b'])
  })

  const password = new AuthenticationError('no', { endpoint: 'b', sqlState: '28P01', fatal: true })
  test.each([
    ['refuses the password', password],
    ['does not have the database yet', connect('3D000')],
    ['lets the role not connect', connect('42501')],
    ['has a database that takes no connections', connect('55000')],
    ['does not take a setting', connect('22023')],
    ['does not know a setting', connect('42704')],
    ['has a database whose event trigger refuses log-ins', connect('XX000', { where: 'f()' })],
    ['has reached the limit of the role', connect('53300', { routine: 'InitializeSessionUserId' })],
    ['is full', connect('53300', { routine: 'InitProcess' })],
    ['has ended this session', sqlError('57P01', 'terminating connection', 'FATAL')],
    ['has ended this session for a function', sqlError('XX000', 'plpy.fatal', 'FATAL')],
  ])('T54: moves on without ejecting a node that answers others and %s', async (_, error) => {
    const { db, b, events } = await startSetting({ strategy: 'roundRobin' })
    b.answer = failing(error)
    for (let read = 0; read < 10; read++) {
      expect((await db.reader().query('select 1')).node).toBe('c')
      await settle()
    }
    expect(events).toEqual([])
  })

  test('T54: ejects a node that answers no probe, whatever its error says', async () => {
    const { db, b, events } = await startSetting({ strategy: 'roundRobin' })
    b.answer = failing(password)
    b.down = password
    expect((await db.reader().query('select 1')).node).toBe('c')
    await settle()
    expect(events).toEqual(['ejected b'])
  })

  test('T54: probes a node once in a while, and not for each read that it refuses', async () => {
    const { clock, db, b } = await startSetting({ strategy: 'roundRobin' })
    b.answer = failing(password)
    const before = b.sessions.length
    for (let read = 0; read < 40; read++) {
      await db.reader().query('select 1')
      await settle()
      await clock.advance(50)
    }
    expect(b.sessions.length - before).toBeLessThanOrEqual(2)
  })
})

describe('a read whose server answers with an ERROR', () => {
  const RAISED = ['08006', '08001', '08003', '08P01', '57P01', '57P02', '57P03', '57P05', '53300']
  test.each(RAISED)('T04: rejects with %s, and no node is ejected', async (code) => {
    const { db, b, c, events } = await startSetting({ strategy: 'roundRobin' })
    const error = sqlError(code)
    b.answer = c.answer = failing(error)
    await expect(db.reader().query('select f()')).rejects.toBe(error)
    expect(sent(b, c)).toEqual([1, 0])
    await settle()
    expect(events).toEqual([])
  })

  test.each(['57P05', '25P03', '57P04', '40001'])(
    'T04: moves on, and ejects no node, when the server ended the session with FATAL %s',
    async (code) => {
      const { db, b, events } = await startSetting({ strategy: 'roundRobin' })
      b.answer = failing(new ConnectionLostError('ended', { executed: 'no', sqlState: code }))
      expect((await db.reader().query('select 1')).node).toBe('c')
      await settle()
      expect(events).toEqual([])
    },
  )
})

describe('work of the caller', () => {
  test('moves to another node while it waits for a connection, and never once it has begun', async () => {
    const { db, b } = await startSetting({ strategy: 'roundRobin' })
    b.answer = failing(unsent())
    expect((await db.acquire({ intent: 'read' })).node).toBe('c')
    b.answer = () => undefined
    let calls = 0
    const work = async (): Promise<void> => {
      calls++
      throw lost()
    }
    await expect(db.use(work, { intent: 'read' })).rejects.toThrow(ConnectionLostError)
    expect(calls).toBe(1)
  })

  test('ejects no node because of the errors of another server', async () => {
    const { db, events } = await startSetting()
    for (let call = 0; call < 4; call++) {
      await db.use(failing(lost()), { intent: 'read' }).catch(() => {})
      await db.transaction(failing(refused()), { readOnly: true }).catch(() => {})
    }
    await settle()
    expect(events).toEqual([])
  })

  test('is repeated as a transaction on another node only if the caller allows it with retry', async () => {
    const { db, b } = await startSetting({ strategy: 'roundRobin' })
    // The error of a transaction whose COMMIT was not sent.
    const undone = new ConnectionLostError('terminated', { executed: 'rolled-back' })
    b.answer = ({ text }) => (text === 'select 1' ? Promise.reject(undone) : undefined)
    let calls = 0
    const work = async (tx: { query(text: string): Promise<{ node?: string }> }) => {
      calls++
      return (await tx.query('select 1')).node
    }
    await expect(db.transaction(work, { readOnly: true })).rejects.toThrow(ConnectionLostError)
    expect(calls).toBe(1)
    await expect(db.transaction(work, { readOnly: true })).resolves.toBe('c')
    calls = 0
    const again = db.transaction(work, { readOnly: true, retry: { attempts: 2 } })
    await expect(again).resolves.toBe('c')
    expect(calls).toBe(2)
  })

  test('is repeated as a transaction if its callback never ran', async () => {
    const { db, b } = await startSetting({ strategy: 'roundRobin' })
    b.answer = failing(unsent())
    const node = db.transaction(async (tx) => (await tx.query('select 1')).node, { readOnly: true })
    await expect(node).resolves.toBe('c')
  })

  test('succeeds as a read-only transaction when its work is done, whatever happens to the COMMIT', async () => {
    const { db, b, c } = await startSetting()
    b.answer = c.answer = ({ text }) =>
      text === '(commit)' ? Promise.reject(new InDoubtError('no answer')) : undefined
    await expect(db.transaction(async () => 7, { readOnly: true })).resolves.toBe(7)
  })
})

describe('ejection', () => {
  test('lasts a second, then twice as long each time, and ends with a probe that is answered', async () => {
    const { db, b, clock, events } = await startSetting({
      strategy: 'roundRobin',
      random: () => 0.5,
    })
    b.answer = failing(lost())
    b.down = new ConnectError('no answer', { endpoint: 'b' })
    await served(db, 2)
    const sentences: number[] = []
    db.on('ejected', ({ forMs }) => sentences.push(forMs))
    await clock.advance(120_000)
    expect(events).toEqual(['ejected b'])
    b.answer = () => undefined
    b.down = undefined
    await clock.advance(30_000)
    expect(events).toEqual(['ejected b', 'admitted b'])
    await clock.advance(2_000)
    expect([...tally(await served(db, 4)).keys()].sort()).toEqual(['b', 'c'])
    b.answer = failing(lost())
    await served(db, 2)
    await clock.advance(0)
    expect(sentences[0]).toBeGreaterThan(20_000)
  })

  test.each([
    [29_000, true],
    [31_000, false],
  ])('T105: after %i ms of good service is longer than the one before: %s', async (ms, longer) => {
    const { db, b, clock, events } = await startSetting({
      strategy: 'roundRobin',
      random: () => 0.5,
    })
    const terms: number[] = []
    db.on('ejected', ({ forMs }) => terms.push(forMs))
    const fail = async (): Promise<void> => {
      b.answer = failing(lost())
      await served(db, 4)
      b.answer = () => undefined
    }
    for (const failures of [1, 2, 3]) {
      await fail()
      expect(terms).toHaveLength(failures)
      // One that has come back gets few reads at first.
      await clock.advance(terms.at(-1)! + 10_000)
    }
    expect(events.at(-1)).toBe('admitted b')
    expect(terms[2]).toBeGreaterThan(terms[1]!)
    await clock.advance(ms - 10_000)
    await fail()
    if (longer) expect(terms[3]).toBeGreaterThan(terms[2]!)
    else expect(terms[3]).toBe(terms[0])
  })

  test('S38: does not hit the last node because of a failed read alone', async () => {
    const { db, b, c, clock, events } = await startSetting({ strategy: 'roundRobin' })
    b.answer = c.answer = failing(unsent())
    expect((await db.reader().query('select 1')).node).toBe('a')
    await clock.advance(100)
    expect(events).toEqual(['ejected b'])
    c.answer = () => undefined
    expect((await db.reader().query('select 1')).node).toBe('c')
  })

  test('S37: hits the last node when a probe fails too, and each node is admitted when it comes back', async () => {
    const { db, primary, b, c, clock, events } = await startSetting()
    b.answer = c.answer = failing(unsent())
    b.down = c.down = refused()
    expect((await db.reader().query('select 1')).node).toBe('a')
    await clock.advance(1_500)
    expect(events.toSorted()).toEqual(['ejected b', 'ejected c'])
    const before = b.asked.length + c.asked.length
    primary.asked.length = 0
    expect(tally(await served(db, 5))).toEqual(new Map([['a', 5]]))
    expect(b.asked.length + c.asked.length).toBe(before)
    b.answer = c.answer = () => undefined
    b.down = c.down = undefined
    await clock.advance(10_000)
    expect(events.slice(2).toSorted()).toEqual(['admitted b', 'admitted c'])
    expect([...tally(await served(db, 10)).keys()].sort()).toEqual(['b', 'c'])
  })

  test('S37: keeps reads on the primary within their share', async () => {
    const { db, primary, b, c, clock } = await startSetting()
    b.down = c.down = refused()
    await clock.advance(5_000)
    const leases: Lease[] = []
    const failed: unknown[] = []
    for (let read = 0; read < 5; read++) {
      db.reader()
        .acquire()
        .then(
          (lease) => leases.push(lease),
          (error: unknown) => failed.push(error),
        )
    }
    await settle()
    expect(leases.map(({ node }) => node)).toEqual(['a', 'a', 'a'])
    leases[0]!.release()
    await settle()
    expect(leases).toHaveLength(4)
    expect(primary.acquired).toHaveLength(4)
    // A waiting read gets a replica that comes back; a read that finds none rejects with the
    // reason.
    await clock.advance(10_000)
    expect(failed).toHaveLength(1)
    expect(failed[0]).toBeInstanceOf(NoSuitableNodeError)
    expect(String(failed[0])).toContain('"b": it is ejected')
  })

  test('gives a replica that has come back to a read that waits for the primary', async () => {
    const { db, b, c, clock } = await startSetting({ primaryShare: 0.1 })
    b.down = c.down = refused()
    await clock.advance(5_000)
    const held = await db.reader().acquire()
    const waiting = db.reader().query('select 1')
    b.down = undefined
    await clock.advance(9_900)
    expect((await waiting).node).toBe('b')
    held.release()
  })

  test('follows the error event of the pool about a refused connection, and frees the reads that wait there', async () => {
    const { db, b, clock, events } = await startSetting({ strategy: 'roundRobin' })
    const connections: ((error: Error) => void)[] = []
    b.answer = () => new Promise((_, reject) => connections.push(reject))
    b.destroyAll = (reason) => {
      b.destroyed.push(reason)
      for (const refuse of connections) refuse(unsent())
    }
    const waiting = db.reader().query('select 1')
    await settle()
    b.report(refused())
    expect((await waiting).node).toBe('c')
    expect(events).toEqual(['ejected b'])
    expect(b.destroyed).toHaveLength(1)
    b.report(refused())
    await clock.advance(0)
    expect(b.destroyed).toHaveLength(1)
  })

  test('does not hit a server that has no connection to spare', async () => {
    const { b, clock, events } = await startSetting()
    b.report(new ConnectError('too many', { endpoint: 'b', sqlState: '53300' }))
    b.report(new Error('something else'))
    await clock.advance(0)
    expect(events).toEqual([])
  })

  test('S37: of the last node makes a probe admit the others at once if they have recovered', async () => {
    const { db, b, c, clock, events } = await startSetting({ strategy: 'roundRobin' })
    b.answer = failing(lost())
    b.down = new ConnectError('no answer', { endpoint: 'b' })
    await served(db, 2)
    // By now its ejection lasts many seconds.
    await clock.advance(40_000)
    b.answer = () => undefined
    b.down = undefined
    c.down = refused()
    c.report(refused())
    await clock.advance(0)
    expect(events).toEqual(['ejected b', 'ejected c', 'admitted b'])
  })

  test('hits a node that misses three samples, and not one that is slow once', async () => {
    const { b, c, clock, events } = await startSetting()
    b.down = new ConnectError('no answer within 1000 ms', { endpoint: 'b:5432/app' })
    for (let step = 0; step < 13 && events.length === 0; step++) await clock.advance(100)
    expect(events).toEqual(['ejected b'])
    expect(b.destroyed).toEqual([])
    await clock.advance(2_600)
    expect(b.destroyed).toHaveLength(1)
    expect(c.destroyed).toEqual([])
  })
})
