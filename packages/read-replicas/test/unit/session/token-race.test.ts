import { ConnectionLostError, DatabaseError } from '@poolhouse/core'
import { describe, expect, test } from 'vitest'
import { lost, sqlError } from '../failures.js'
import { settle } from '../manual-clock.js'
import { type Setting, startSetting } from '../setting.js'

const READ = 'select balance from accounts'

/** A session with a write that no replica has, and a primary whose answers the test releases. */
async function start(options: Parameters<typeof startSetting>[0] = {}) {
  const setting = await startSetting({ waitForTokenMs: 50, ...options })
  const { db, primary } = setting
  primary.answer = ({ text }) => {
    if (text.startsWith('insert')) primary.position += 100
  }
  const session = db.session()
  await session.query('insert into t values (1)')
  const asked: { signal: AbortSignal; answer: () => void; fail: (error: Error) => void }[] = []
  primary.answer = ({ text, options: given }) => {
    if (text !== READ) return undefined
    return new Promise<void>((resolve, reject) => {
      const { signal } = given as { signal: AbortSignal }
      asked.push({ signal, answer: resolve, fail: reject })
      signal.addEventListener('abort', () => reject(signal.reason))
    })
  }
  return { ...setting, session, asked }
}

function catchUp({ primary, c }: Pick<Setting, 'primary' | 'c'>): void {
  c.position = primary.position
}

describe('a read that no replica can answer in time', () => {
  test('gets the answer of the primary if that comes first, and stops looking for a replica', async () => {
    const setting = await start()
    const { session, clock, asked, b, c, db } = setting
    const read = session.reader().query(READ)
    await clock.advance(60)
    expect(asked).toHaveLength(1)
    asked[0]!.answer()
    expect((await read).node).toBe('a')
    const polls = b.polls + c.polls
    await clock.advance(200)
    expect(b.polls + c.polls).toBeLessThanOrEqual(polls + 2)
    expect(db.stats().routing).toMatchObject({ primaryToken: 1, racesWon: 0 })
  })

  test('gets the answer of a replica that catches up while the primary does not answer', async () => {
    const setting = await start()
    const { session, clock, asked, db } = setting
    const read = session.reader().query(READ)
    await clock.advance(60)
    expect(asked).toHaveLength(1)
    catchUp(setting)
    await clock.advance(100)
    expect((await read).node).toBe('c')
    // The read on the primary is stopped, and its place there is free again.
    expect(asked[0]!.signal.aborted).toBe(true)
    expect(db.stats().routing).toMatchObject({ primaryToken: 1, racesWon: 1, replica: 1 })
  })

  test('gives the primary some time to answer before a replica is asked again', async () => {
    const setting = await start()
    const { session, clock, b, c } = setting
    const read = session.reader().query(READ)
    await clock.advance(60)
    const polls = b.polls + c.polls
    catchUp(setting)
    await clock.advance(10)
    expect(b.polls + c.polls).toBeLessThanOrEqual(polls + 2)
    await clock.advance(50)
    expect((await read).node).toBe('c')
  })

  test('gets the answer of the replica if the primary fails while the replica is asked', async () => {
    const setting = await start()
    const { session, clock, asked, c } = setting
    let answer: () => void = () => {}
    c.answer = () =>
      new Promise<void>((resolve) => {
        answer = resolve
      })
    const read = session.reader().query(READ)
    await clock.advance(60)
    catchUp(setting)
    await clock.advance(50)
    asked[0]!.fail(lost())
    await settle()
    answer()
    expect((await read).node).toBe('c')
  })

  test('is sent once more, to a replica that has caught up, when it is lost with the primary', async () => {
    const setting = await start()
    const { session, clock, asked, db } = setting
    const read = session.reader().query(READ)
    await clock.advance(60)
    asked[0]!.fail(lost())
    await settle()
    catchUp(setting)
    await clock.advance(50)
    expect((await read).node).toBe('c')
    expect(db.stats().routing).toMatchObject({ retried: 1 })
  })

  test('is sent once more to the primary, and not a third time', async () => {
    const { session, clock, asked } = await start()
    const read = session.reader().query(READ)
    read.catch(() => {})
    await clock.advance(60)
    asked[0]!.fail(lost())
    await clock.advance(60)
    expect(asked).toHaveLength(2)
    asked[1]!.fail(lost())
    await expect(read).rejects.toThrow(ConnectionLostError)
    await clock.advance(100)
    expect([asked.length, clock.keepsAlive]).toEqual([2, false])
  })

  test('is not sent again with retries off, nor after an error that does not concern the connection to the primary', async () => {
    const { session, clock, asked } = await start({ readRetries: 0 })
    const read = session.reader().query(READ)
    read.catch(() => {})
    await clock.advance(60)
    asked[0]!.fail(lost())
    await expect(read).rejects.toThrow(ConnectionLostError)
    const other = await start()
    const refused = other.session.reader().query(READ)
    refused.catch(() => {})
    await other.clock.advance(60)
    other.asked[0]!.fail(sqlError('42703'))
    await expect(refused).rejects.toThrow(DatabaseError)
    expect([asked.length, other.asked.length]).toEqual([1, 1])
  })

  test('rejects with the error of the primary if the replica fails too', async () => {
    const setting = await start()
    const { session, clock, asked, c } = setting
    const read = session.reader().query(READ)
    read.catch(() => {})
    await clock.advance(60)
    catchUp(setting)
    c.answer = () => Promise.reject(new Error('of the replica'))
    await clock.advance(50)
    asked[0]!.fail(new Error('of the primary'))
    await expect(read).rejects.toThrow('of the primary')
  })

  test('ends at its deadline', async () => {
    const { session, clock, asked } = await start()
    const read = session.reader().query(READ, undefined, { timeoutMs: 200 })
    read.catch(() => {})
    await clock.advance(60)
    expect(asked).toHaveLength(1)
    await clock.advance(140)
    // The pool of the primary keeps the deadline, and nothing else waits longer.
    asked[0]!.fail(new Error('statement timeout'))
    await expect(read).rejects.toThrow('statement timeout')
    expect(clock.keepsAlive).toBe(false)
  })

  test('shares the questions to a replica with all other reads that wait', async () => {
    const setting = await start()
    const { db, session, clock, b, c } = setting
    const { token } = session
    const polls = b.polls + c.polls
    const reads = Array.from({ length: 100 }, () => db.session(token).reader().query(READ))
    await clock.advance(20)
    // At once, and after 4, 8 and 10 ms, because neither replica moves.
    expect(b.polls + c.polls - polls).toBeLessThanOrEqual(2 * 4)
    catchUp(setting)
    await clock.advance(20)
    const nodes = await Promise.all(reads)
    expect(new Set(nodes.map(({ node }) => node))).toEqual(new Set(['c']))
  })
})

describe('a token that a session gets while the primary is asked for the position of its write', () => {
  test.each(['default', 'error'] as const)(
    'T65: does not count as lost if the answer is older than the token (onLostToken: %s)',
    async (policy) => {
      const setting = await startSetting(policy === 'error' ? { onLostToken: policy } : {})
      const { db, primary, clock } = setting
      const events: string[] = []
      db.on('token', ({ reason }) => events.push(reason))
      primary.answer = ({ text }) => {
        if (text.startsWith('insert')) primary.position += 100
      }
      const session = db.session()
      let answer = (): void => {}
      const { sample } = primary
      primary.sample = () => {
        primary.sample = sample
        const then = primary.sample()
        return new Promise((resolve) => {
          answer = () => resolve(then)
        }) as never
      }
      const write = session.query('insert into t values (1)')
      await clock.advance(1)
      // Another process has written since, and passes its token on.
      const other = db.session()
      primary.position += 100
      const elsewhere = `v1.${primary.systemId}.1.${primary.position.toString(16).toUpperCase()}`
      other.see(elsewhere)
      session.see(elsewhere)
      answer()
      await clock.advance(1_000)
      await write
      expect(events).toEqual([])
      expect(session.token).toBe(elsewhere)
    },
  )
})

test('S50: a session stays strong if it sees something without a position while it asks for one', async () => {
  const { db, primary, clock } = await startSetting()
  const session = db.session('v1.strong')
  let answer = (): void => {}
  const { sample } = primary
  primary.sample = () => {
    primary.sample = sample
    const then = primary.sample()
    return new Promise((resolve) => {
      answer = () => resolve(then)
    }) as never
  }
  const read = session.query('select 1', undefined, { intent: 'read' })
  await clock.advance(1)
  primary.answer = ({ text }) => {
    if (text.startsWith('insert')) throw new ConnectionLostError('lost', { executed: 'unknown' })
  }
  await expect(session.query('insert into t values (1)')).rejects.toThrow('lost')
  answer()
  await clock.advance(1_000)
  await read
  expect(session.token).toBe('v1.strong')
})
