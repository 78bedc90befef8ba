import { ConnectionLostError, type PoolEvents, TokenBeyondHistoryError } from '@poolhouse/core'
import { describe, expect, test } from 'vitest'
import { type ReplicaPool, type ReplicaSession, withReplicas } from '../../../src/index.js'
import { refused } from '../failures.js'
import { settle } from '../manual-clock.js'
import { type Setting, sequence, startSetting } from '../setting.js'

/** A failure that says whether its write was executed. */
class WriteError extends Error {
  readonly executed: string

  constructor(executed: string) {
    super(`executed: ${executed}`)
    this.executed = executed
  }
}

/** Lets the primary commit something that no replica has replayed. */
function commit({ primary }: Pick<Setting, 'primary'>): void {
  primary.position += 100
}

/** A pool whose primary commits with every statement of a caller. */
async function start(options: Parameters<typeof startSetting>[0] = {}): Promise<Setting> {
  const setting = await startSetting(options)
  setting.primary.answer = ({ text }) => {
    if (/^(?:insert|copy|\(commit\))/.test(text)) commit(setting)
  }
  return setting
}

function tokenEvents(db: ReplicaPool): PoolEvents['token'][] {
  const events: PoolEvents['token'][] = []
  db.on('token', (event) => events.push(event))
  return events
}

/** The node that answers, and the time that it needs. */
async function nodeOf(setting: Setting, read: Promise<{ node?: string }>): Promise<string> {
  let node: string | undefined
  const reading = read.then(
    (result) => {
      node = result.node ?? 'none'
    },
    (error: unknown) => {
      node = 'none'
      throw error
    },
  )
  reading.catch(() => {})
  for (let ms = 0; ms < 5_000 && node === undefined; ms++) await setting.clock.advance(1)
  await reading
  return node!
}

describe('a session that writes', () => {
  test('S47: reads its write from the primary when no replica has it in time', async () => {
    const setting = await start()
    const session = setting.db.session()
    await session.query('insert into t values (1)')
    const startedAt = setting.clock.now()
    expect(await nodeOf(setting, session.reader().query('select 1'))).toBe('a')
    expect(setting.clock.now() - startedAt).toBeGreaterThanOrEqual(50)
    expect(setting.clock.now() - startedAt).toBeLessThan(60)
    expect(setting.db.stats().routing).toMatchObject({ primaryToken: 1, tokenWaits: 1 })
  })

  test('S47: reads its write from a replica that catches up meanwhile', async () => {
    const setting = await start()
    const session = setting.db.session()
    await session.query('insert into t values (1)')
    const read = session.query('select 1', undefined, { intent: 'read' })
    await setting.clock.advance(20)
    setting.c.position = setting.primary.position
    expect(await nodeOf(setting, read)).toBe('c')
  })

  test('S47: leaves the replica that it stays on until that has replayed its next write', async () => {
    const setting = await start()
    const { clock, primary, b, c } = setting
    const session = setting.db.session()
    const first = await nodeOf(setting, session.reader().query('select 1'))
    await clock.advance(10)
    await session.query('insert into t values (1)')
    expect(await nodeOf(setting, session.reader().query('select 1'))).toBe('a')
    const late = first === 'b' ? b : c
    late.position = primary.position
    expect(await nodeOf(setting, session.reader().query('select 1'))).toBe(first)
  })

  test('S51: does not stay on a replica that is restarted before it has answered its first read', async () => {
    const setting = await start()
    const { clock, primary, c } = setting
    const session = setting.db.session()
    await session.query('insert into t values (1)')
    c.position = primary.position
    c.answer = () => (c.asked.length === 1 ? new Promise(() => {}) : undefined)
    void session.reader().query('select 1')
    await clock.advance(20)
    expect(c.asked).toHaveLength(1)
    c.position = primary.position - 100
    for (const watching of c.sessions) await watching.close()
    await clock.advance(1)
    expect(await nodeOf(setting, session.reader().query('select 1'))).toBe('a')
  })

  test('S49: uses any replica that has the write, and stops waiting when all have it', async () => {
    const setting = await start({ strategy: 'roundRobin' })
    const { db, clock, primary, b, c } = setting
    const session = db.session()
    await session.query('insert into t values (1)')
    c.position = primary.position
    await clock.advance(1_200)
    for (let read = 0; read < 5; read++) {
      expect(await nodeOf(setting, session.reader().query('select 1'))).toBe('c')
    }
    b.position = primary.position
    await clock.advance(1_200)
    const nodes = new Set<string>()
    for (let read = 0; read < 5; read++) {
      nodes.add(await nodeOf(setting, db.session(session.token).reader().query('select 1')))
    }
    expect(nodes).toEqual(new Set(['b', 'c']))
    expect(db.stats().routing).toMatchObject({ primaryToken: 0 })
  })

  test('S47: takes the position that comes with the answer of a write, and asks no server', async () => {
    const setting = await start()
    const { db, clock, primary, c } = setting
    primary.answersBehind = () => primary.sample()
    const session = db.session()
    const { length } = primary.questions
    await session.query('insert into t values ($1)', [1])
    expect(session.token).toBe(
      `v1.${primary.systemId}.1.${primary.position.toString(16).toUpperCase()}`,
    )
    expect(primary.questions).toHaveLength(length)
    const read = session.reader().query('select 1')
    await clock.advance(20)
    c.position = primary.position
    expect(await nodeOf(setting, read)).toBe('c')
    expect(db.stats().routing).toMatchObject({ write: 1, tokenWaits: 1 })
  })

  test.each([
    ['is refused', () => undefined],
    ['tells nothing', () => ({ rows: [{}], rowCount: 1, command: 'SELECT', fields: [] })],
    ['cannot be read', () => ({}) as never],
  ])(
    'asks separately if the question sent with a write %s, and keeps asking separately for a while',
    async (_, answer) => {
      const { db, clock, primary } = await start()
      let sent = 0
      primary.answersBehind = () => {
        sent++
        return answer()
      }
      const session = db.session()
      const write = async (): Promise<void> => {
        await session.query('insert into t values ($1)', [1])
        expect(session.token).toBe(
          `v1.${primary.systemId}.1.${primary.position.toString(16).toUpperCase()}`,
        )
      }
      for (let turn = 0; turn < 3; turn++) await write()
      expect(sent).toBe(1)
      await clock.advance(10_001)
      await write()
      expect(sent).toBe(2)
    },
  )

  test('shares one question among many concurrent writes', async () => {
    const { db, primary } = await start()
    let sent = 0
    primary.answersBehind = () => {
      sent++
      return primary.sample()
    }
    const sessions = Array.from({ length: 10 }, () => db.session())
    const { length } = primary.questions
    const writes = sessions.map((session) => session.query('insert into t values ($1)', [1]))
    await Promise.all(writes)
    expect(sent).toBe(2)
    expect(primary.questions.length).toBeLessThan(length + 5)
    expect(new Set(sessions.map(({ token }) => token)).has('v1.strong')).toBe(false)
    // One write at a time again.
    await sessions[0]!.query('insert into t values ($1)', [1])
    expect(sent).toBe(3)
  })

  test('S48: compares a token with the history of a position that came with a write', async () => {
    const setting = await start()
    setting.primary.answersBehind = () => setting.primary.sample()
    const events = tokenEvents(setting.db)
    const session = setting.db.session('v1.999.1.10')
    await session.query('insert into t values ($1)', [1])
    expect(events).toMatchObject([{ reason: 'foreign' }])
    expect(session.token).toBe(
      `v1.${setting.primary.systemId}.1.${setting.primary.position.toString(16).toUpperCase()}`,
    )
  })

  test('has a token that covers a write as soon as that has settled, whichever call ran it', async () => {
    const { db, primary } = await start()
    const session = db.session()
    expect([session.token, session.hasWritten]).toEqual(['', false])
    const at = (): string =>
      `v1.${primary.systemId}.1.${primary.position.toString(16).toUpperCase()}`
    await session.query('insert into t values (1)')
    expect([session.token, session.hasWritten]).toEqual([at(), true])
    await session.transaction(async (tx) => {
      expect(tx).toBeDefined()
    })
    expect(session.token).toBe(at())
    await session.use((lease) => lease.query('insert into t values (2)'))
    expect(session.token).toBe(at())
    const lease = await session.acquire()
    await lease.query('insert into t values (3)')
    expect(session.token).toBe(at())
    lease.release()
    await session.copyFrom('copy t from stdin', [])
    expect(session.token).toBe(at())
  })

  test('asks once for all writes that settle at the same time', async () => {
    const { db, primary } = await start()
    const before = primary.polls
    const sessions = Array.from({ length: 50 }, () => db.session())
    await Promise.all(sessions.map((session) => session.query('insert into t values (1)')))
    expect(primary.polls - before).toBeLessThanOrEqual(2)
    for (const { token } of sessions) expect(token).toBe(sessions[0]!.token)
  })

  test('asks no replica about reads from before a write, because its position covers them', async () => {
    const { db, clock, primary, b, c } = await start()
    const session = db.session()
    await session.reader().query('select 1')
    await clock.advance(1)
    await session.query('insert into t values (1)')
    const polls = b.polls + c.polls
    expect(await session.freshToken()).toBe(
      `v1.${primary.systemId}.1.${primary.position.toString(16).toUpperCase()}`,
    )
    expect(b.polls + c.polls).toBe(polls)
  })

  test('asks a replica that has not followed a failover yet, because its reads may have shown what is lost', async () => {
    const { db, clock, primary, b, c } = await start({ maxStalenessMs: Number.POSITIVE_INFINITY })
    primary.timeline = 2
    // Long enough for the primary to be asked for its timeline again.
    await clock.advance(1_100)
    const session = db.session()
    await session.reader().query('select 1')
    await clock.advance(1)
    await session.query('insert into t values (1)')
    const polls = b.polls + c.polls
    await session.freshToken()
    expect(b.polls + c.polls).toBe(polls + 1)
  })

  test('asks after the commit and not before it', async () => {
    const setting = await start()
    const { db, primary, clock } = setting
    // A question is under way when the write begins; its answer is older than the write.
    await clock.advance(1_000)
    let release: () => void = () => {}
    primary.answer = async () => {
      await new Promise<void>((resolve) => {
        release = resolve
      })
      commit(setting)
    }
    const session = db.session()
    const write = session.query('insert into t values (1)')
    await clock.advance(1_200)
    release()
    await write
    expect(session.token).toBe(
      `v1.${primary.systemId}.1.${primary.position.toString(16).toUpperCase()}`,
    )
  })

  test('reads from the primary after a write that may have committed', async () => {
    const setting = await start()
    const { db, primary } = setting
    const session = db.session()
    primary.answer = () => {
      throw new ConnectionLostError('it is gone', { executed: 'unknown' })
    }
    await expect(session.query('insert into t values (1)')).rejects.toThrow(ConnectionLostError)
    expect(session.token).toBe('v1.strong')
    primary.answer = () => undefined
    expect(await nodeOf(setting, session.reader().query('select 1'))).toBe('a')
    // The answer of the primary has given it a position again.
    expect(session.token).toMatch(/^v1\.\d+\.1\.3E8$/)
    expect(['b', 'c']).toContain(await nodeOf(setting, session.reader().query('select 1')))
  })

  test.each([
    ['yes', 'v1.strong'],
    ['unknown', 'v1.strong'],
    ['rolled-back', ''],
    ['no', ''],
  ] as const)(
    'T103: whose write throws with executed "%s" has the token "%s"',
    async (executed, token) => {
      const calls: ((session: ReplicaSession) => Promise<unknown>)[] = [
        (session) => session.query('insert into t values (1)'),
        (session) => session.query('insert into t values (1)', [], { intent: 'write' }),
        (session) => session.transaction((tx) => tx.query('insert into t values (1)')),
        (session) => session.use((lease) => lease.query('insert into t values (1)')),
        async (session) => {
          const lease = await session.acquire()
          await lease.query('insert into t values (1)').finally(() => lease.release())
        },
        (session) => session.copyFrom('copy t from stdin', ['1\n']),
        async (session) => {
          for await (const _row of session.stream('insert into t values (1) returning 1'));
        },
        async (session) => {
          for await (const _piece of session.copyTo('copy (insert …) to stdout'));
        },
      ]
      for (const call of calls) {
        const setting = await start()
        const { db, primary } = setting
        const session = db.session()
        primary.answer = ({ text }) => {
          if (!/^(?:insert|copy)/.test(text)) return
          throw new WriteError(executed)
        }
        await expect(call(session)).rejects.toThrow(WriteError)
        expect(session.token).toBe(token)
        primary.answer = () => undefined
        const node = await nodeOf(setting, session.reader().query('select 1'))
        expect(token === '' ? ['b', 'c'] : ['a']).toContain(node)
      }
    },
  )

  test('reads from the primary while the position of its write is not available', async () => {
    const setting = await start()
    const { db, primary } = setting
    const session = db.session()
    primary.down = refused()
    await primary.sessions.at(-1)!.close()
    await session.query('insert into t values (1)')
    expect(session.token).toBe('v1.strong')
    expect(await nodeOf(setting, session.reader().query('select 1'))).toBe('a')
  })

  test('keeps the process alive while a write waits for its position', async () => {
    const { db, primary, clock } = await start()
    const session = db.session()
    primary.hangs = true
    const write = session.query('insert into t values (1)')
    await settle()
    expect(clock.keepsAlive).toBe(true)
    await db.close()
    await write
    expect(clock.keepsAlive).toBe(false)
    expect(session.token).toBe('v1.strong')
  })

  test('passes on the error of a transaction that rolls back, and does not become strong', async () => {
    const { db } = await start()
    const session = db.session()
    await expect(
      session.transaction(async () => {
        throw new Error('no')
      }),
    ).rejects.toThrow('no')
    expect(session.token).not.toBe('v1.strong')
  })
})

describe('a session that reads', () => {
  test('stays on its replica and asks no server', async () => {
    const setting = await startSetting({ strategy: 'roundRobin' })
    const { db, b, c } = setting
    const session = db.session()
    const first = (await session.reader().query('select 1')).node
    const before = b.polls + c.polls
    for (let read = 0; read < 20; read++) {
      expect((await session.reader().query('select 1')).node).toBe(first)
    }
    expect(b.polls + c.polls).toBe(before)
  })

  test('S51: leaves its replica only for one that has everything it has seen', async () => {
    const setting = await startSetting({ strategy: 'roundRobin' })
    const { db, primary, b, c } = setting
    const session = db.session()
    expect((await session.reader().query('select 1')).node).toBe('b')
    // It has seen more than the last sample of b.
    primary.position = b.position = 1_500
    expect((await session.reader().query('select 1')).node).toBe('b')
    b.answer = () => {
      throw new ConnectionLostError('it is gone', { executed: 'unknown' })
    }
    c.position = 1_400
    expect(await nodeOf(setting, session.reader().query('select 1'))).toBe('a')
    c.position = 1_500
    expect(await nodeOf(setting, session.reader().query('select 1'))).toBe('c')
  })

  test('S51: does not rely on a replica that may have been restarted', async () => {
    const setting = await startSetting({ strategy: 'roundRobin' })
    const { db, primary, b, c } = setting
    const session = db.session()
    primary.position = b.position = c.position = 1_500
    expect((await session.reader().query('select 1')).node).toBe('b')
    b.position = c.position = 1_200
    await b.sessions.at(-1)!.close()
    await settle()
    expect(await nodeOf(setting, session.reader().query('select 1'))).toBe('a')
  })

  test('may choose again after a second, once what it has seen is known', async () => {
    const setting = await startSetting({ strategy: 'roundRobin' })
    const { db, clock, b, c } = setting
    const session = db.session()
    const nodes = new Set<string>()
    for (let read = 0; read < 40; read++) {
      nodes.add(await nodeOf(setting, session.reader().query('select 1')))
      await clock.advance(100)
    }
    expect(nodes).toEqual(new Set(['b', 'c']))
    expect(b.polls + c.polls).toBeLessThan(20)
  })

  test('has a fresh token that covers its reads', async () => {
    const setting = await startSetting({ strategy: 'roundRobin' })
    const { db, primary, b } = setting
    const session = db.session()
    primary.position = b.position = 0x2000
    expect((await session.reader().query('select 1')).node).toBe('b')
    expect(await session.freshToken()).toBe(`v1.${b.systemId}.1.2000`)
    expect(session.token).toBe(`v1.${b.systemId}.1.2000`)
  })

  test('remembers what a transaction, a lease and a stream have shown', async () => {
    const { db, primary, b, c } = await startSetting({ strategy: 'roundRobin' })
    const session = db.session()
    primary.position = b.position = c.position = 0x2000
    await session.transaction(async () => undefined, { readOnly: true })
    expect(await session.freshToken()).toMatch(/\.2000$/)
    primary.position = b.position = c.position = 0x3000
    const lease = await session.acquire({ intent: 'read' })
    await lease.query('select 1')
    lease.release()
    expect(await session.freshToken()).toMatch(/\.3000$/)
    primary.position = b.position = c.position = 0x4000
    for await (const row of session.reader().stream('select 1')) expect(row).toBeUndefined()
    expect(await session.freshToken()).toMatch(/\.4000$/)
  })

  test('is served by the primary before any sample, and goes on from that position', async () => {
    const setting = await startSetting({ maxStalenessMs: 0 })
    const session = setting.db.session()
    expect((await session.reader().query('select 1')).node).toBe('a')
    expect(await session.freshToken()).toMatch(/^v1\.\d+\.1\.3E8$/)
  })
})

describe('a token', () => {
  test('S48: has the same effect in another process', async () => {
    const setting = await start()
    const { primary, b, c, clock } = setting
    await using other = withReplicas(primary, [b, c], { clock, random: sequence() })
    await clock.advance(300)
    const session = setting.db.session()
    await session.query('insert into t values (1)')
    const { token } = session
    const read = other.session(token).reader().query('select 1')
    expect(await nodeOf({ ...setting, db: other }, read)).toBe('a')
    c.position = primary.position
    const again = other.session(token).reader().query('select 1')
    expect(await nodeOf({ ...setting, db: other }, again)).toBe('c')
  })

  test('S48: of another cluster sends reads to the primary and emits an event', async () => {
    const setting = await start()
    const events = tokenEvents(setting.db)
    const session = setting.db.session('v1.999.1.10')
    expect(await nodeOf(setting, session.reader().query('select 1'))).toBe('a')
    expect(events).toMatchObject([{ pool: 'a/replicas', reason: 'foreign' }])
    expect(events[0]?.message).toContain('system 999')
    // From then on it has a position in this cluster.
    expect(['b', 'c']).toContain(await nodeOf(setting, session.reader().query('select 1')))
  })

  test.each([
    ['nonsense', 'malformed'],
    ['v1.1.2', 'malformed'],
    ['v2.1.1.10', 'malformed'],
    [`v1.${'9'.repeat(300)}.1.10`, 'malformed'],
    ["v1.1.1.10'; drop table t", 'malformed'],
  ])('S48: that is no token, %s, has the same effect', async (token, reason) => {
    const setting = await start()
    const events = tokenEvents(setting.db)
    const session = setting.db.session(token)
    expect(session.token).toBe('v1.strong')
    expect(await nodeOf(setting, session.reader().query('select 1'))).toBe('a')
    expect(events).toMatchObject([{ reason }])
    expect(JSON.stringify(events)).not.toContain(token)
  })

  test('S48: counts only with its signature if there is a secret', async () => {
    const old = 'an old secret of some length'
    const setting = await start({ tokenSecret: ['a new secret of some length', old] })
    const before = await start({ tokenSecret: old })
    const events = tokenEvents(setting.db)
    const session = before.db.session()
    await session.query('insert into t values (1)')
    const { token } = session
    expect(token).toMatch(/^v1\.\d+\.1\.[0-9A-F]+\.[\w-]{22}$/)
    setting.db.session(token)
    await settle()
    expect(events).toEqual([])
    const other = `${token.slice(0, -1)}${token.endsWith('A') ? 'B' : 'A'}`
    const flipped = token.replace(/\.1\./, '.2.')
    for (const forged of [other, flipped, token.slice(0, -23)]) {
      const reader = setting.db.session(forged).reader()
      expect(await nodeOf(setting, reader.query('select 1'))).toBe('a')
    }
    expect(events.map(({ reason }) => reason)).toEqual(['forged', 'forged', 'forged'])
  })

  test('is refused with TypeError if it is no string', async () => {
    const { db } = await start()
    expect(() => db.session(7 as never)).toThrow(
      'session: token must be a string or undefined, got 7',
    )
    expect(() => db.session('', { maxStaleness: 1 } as never)).toThrow(
      'unknown option "maxStaleness"; did you mean "maxStalenessMs"?',
    )
  })

  test('S50: makes a job wait once, and then read from the primary', async () => {
    const setting = await start()
    const { db, clock } = setting
    const writer = db.session()
    await writer.query('insert into t values (1)')
    const job = db.session(writer.token, { deferMs: 1_000 })
    let startedAt = clock.now()
    expect(await nodeOf(setting, job.reader().query('select 1'))).toBe('a')
    expect(clock.now() - startedAt).toBeGreaterThanOrEqual(1_000)
    const behind = db.session(writer.token, { deferMs: 0, waitForTokenMs: 0 })
    startedAt = clock.now()
    expect(await nodeOf(setting, behind.reader().query('select 1'))).toBe('a')
    expect(clock.now() - startedAt).toBeLessThan(3)
  })

  test('S50: shows a queue whether a replica has caught up', async () => {
    const setting = await start()
    const { db, clock, b, c, primary } = setting
    const writer = db.session()
    await writer.query('insert into t values (1)')
    const early = db.session(writer.token).caughtUp()
    await clock.advance(10)
    expect(await early).toBe(false)
    // There was no sample since, so it asks, and waits only for the answer.
    c.position = primary.position
    expect(await db.session(writer.token).caughtUp()).toBe(true)
    c.position = 1_000
    await clock.advance(1_200)
    const later = db.session(writer.token).caughtUp({ waitMs: 500 })
    await clock.advance(100)
    b.position = primary.position
    await clock.advance(20)
    expect(await later).toBe(true)
    expect(await db.session().caughtUp()).toBe(true)
  })
})

describe('a token after a failover', () => {
  async function failOver(
    history?: string,
    options: Parameters<typeof startSetting>[0] = {},
  ): Promise<Setting> {
    const setting = await startSetting(options)
    const { primary, b, c, clock } = setting
    primary.historyFile = history
    for (const pool of [primary, b, c]) {
      pool.timeline = 2
      pool.position = 5_000
    }
    await clock.advance(1_500)
    return setting
  }

  test('S53: that names what was lost never counts as caught up, and emits an event', async () => {
    const setting = await failOver('1\t0/7D0\tno recovery target specified\n')
    const events = tokenEvents(setting.db)
    // 3 000 on timeline 1, which was left at 2 000; every node is at 5 000.
    const session = setting.db.session(`v1.${setting.primary.systemId}.1.BB8`)
    expect(await nodeOf(setting, session.reader().query('select 1'))).toBe('a')
    expect(events).toMatchObject([{ reason: 'beyond-history' }])
    expect(events[0]?.message).toContain('0/BB8 on timeline 1')
    expect(session.token).toMatch(/\.2\.1388\.~7D0~~$/)
    expect(['b', 'c']).toContain(await nodeOf(setting, session.reader().query('select 1')))
  })

  test('S53: rejects its reads with onLostToken "error"', async () => {
    const setting = await failOver('1\t0/7D0\tno recovery target specified\n', {
      onLostToken: 'error',
    })
    const session = setting.db.session(`v1.${setting.primary.systemId}.1.BB8`)
    for (let read = 0; read < 2; read++) {
      await expect(nodeOf(setting, session.reader().query('select 1'))).rejects.toThrow(
        TokenBeyondHistoryError,
      )
    }
  })

  test('S48: counts as before if its position is before the switch', async () => {
    const setting = await failOver('1\t0/FA0\tno recovery target specified\n')
    const events = tokenEvents(setting.db)
    const session = setting.db.session(`v1.${setting.primary.systemId}.1.BB8`)
    expect(['b', 'c']).toContain(await nodeOf(setting, session.reader().query('select 1')))
    expect(events).toEqual([])
  })

  test('T100: counts as before if its position is exactly where the timeline was left, and is lost one byte later', async () => {
    const setting = await failOver('1\t0/BB8\tno recovery target specified\n')
    const events = tokenEvents(setting.db)
    const session = setting.db.session(`v1.${setting.primary.systemId}.1.BB8`)
    expect(['b', 'c']).toContain(await nodeOf(setting, session.reader().query('select 1')))
    expect(events).toEqual([])
    const lost = setting.db.session(`v1.${setting.primary.systemId}.1.BB9`)
    expect(await nodeOf(setting, lost.reader().query('select 1'))).toBe('a')
    expect(events).toMatchObject([{ reason: 'beyond-history' }])
  })

  test('T100: of a newer timeline is not covered by the replicas of the former one, however far they are', async () => {
    const setting = await startSetting()
    const session = setting.db.session(`v1.${setting.primary.systemId}.2.10`)
    expect(await nodeOf(setting, session.reader().query('select 1'))).toBe('a')
    expect(await session.caughtUp()).toBe(false)
  })

  test('T100: of a newer timeline takes the place of one that names a higher position on an older timeline', async () => {
    const setting = await failOver('1\t0/FA0\tno recovery target specified\n')
    const { systemId } = setting.primary
    const [older, newer] = [`v1.${systemId}.1.2710`, `v1.${systemId}.2.1388`]
    for (const [first, second] of [
      [older, newer],
      [newer, older],
    ] as const) {
      const session = setting.db.session(first)
      session.see(second)
      expect(session.token).toBe(newer)
    }
  })

  test('sends reads to the primary if the history may not be read', async () => {
    const setting = await failOver()
    const events = tokenEvents(setting.db)
    const session = setting.db.session(`v1.${setting.primary.systemId}.1.BB8`)
    expect(await nodeOf(setting, session.reader().query('select 1'))).toBe('a')
    expect(events).toEqual([])
    expect(session.token).toMatch(/\.2\.1388$/)
  })

  test('is not covered by a standby that follows the former primary', async () => {
    const setting = await failOver()
    const { b, c, clock } = setting
    b.timeline = 1
    b.position = 9_000
    c.position = 4_000
    await clock.advance(1_500)
    const session = setting.db.session(`v1.${setting.primary.systemId}.2.1388`)
    expect(await nodeOf(setting, session.reader().query('select 1'))).toBe('a')
  })

  /** Two standbys that hide their timelines, vouched for by a primary that is then lost. */
  async function orphaned(life?: string): Promise<Setting & { token: (lsn: number) => string }> {
    const setting = await startSetting({ maxStalenessMs: Number.POSITIVE_INFINITY })
    const { primary, b, c, clock } = setting
    b.tellsTimeline = c.tellsTimeline = false
    b.startedAt = c.startedAt = life
    await clock.advance(1_500)
    const token = (lsn: number): string =>
      `v1.${primary.systemId}.1.${lsn.toString(16).toUpperCase()}`
    const read = setting.db.session(token(1_000)).reader().query('select 1')
    expect(['b', 'c']).toContain(await nodeOf(setting, read))
    primary.down = refused()
    await primary.sessions.at(-1)!.close()
    await clock.advance(60_000)
    return { ...setting, token }
  }

  test.each([undefined, '1.5'])(
    'T57: is covered by a standby that hides its timeline until that is restarted, once the primary has vouched for it (life %s)',
    async (life) => {
      const { db, token, ...setting } = await orphaned(life)
      const read = db.session(token(1_000)).reader().query('select 1')
      expect(['b', 'c']).toContain(await nodeOf({ db, ...setting }, read))
    },
  )

  test('T57: is not covered beyond the position for which the primary has vouched', async () => {
    const { db, token, b, c, clock, ...setting } = await orphaned('1.5')
    b.position = c.position = 3_000
    await clock.advance(1_500)
    const read = db.session(token(2_000)).reader().query('select 1')
    expect(await nodeOf({ db, b, c, clock, ...setting }, read)).toBe('a')
  })

  test.each([undefined, '1.5'])(
    'T57: is not covered by a standby that was restarted since (life %s)',
    async (life) => {
      const { db, token, b, c, clock, ...setting } = await orphaned(life)
      for (const standby of [b, c]) {
        if (life !== undefined) standby.startedAt = '2.5'
        await standby.sessions.at(-1)!.close()
      }
      await clock.advance(1_500)
      const read = db.session(token(1_000)).reader().query('select 1')
      expect(await nodeOf({ db, b, c, clock, ...setting }, read)).toBe('a')
    },
  )

  test('T57: is covered again by a standby that has only lost its connection', async () => {
    const { db, token, b, c, clock, ...setting } = await orphaned('1.5')
    for (const standby of [b, c]) await standby.sessions.at(-1)!.close()
    await clock.advance(1_500)
    const read = db.session(token(1_000)).reader().query('select 1')
    expect(['b', 'c']).toContain(await nodeOf({ db, b, c, clock, ...setting }, read))
  })
})

describe('the view', () => {
  test('closes without closing the pool', async () => {
    const { db } = await start()
    const session = db.session()
    await session.close()
    await expect(session.query('select 1')).rejects.toThrow('is closed')
    await expect(db.query('select 1')).resolves.toBeDefined()
  })

  test('leaves no call waiting when the pool is closed', async () => {
    const setting = await start()
    const session = setting.db.session()
    await session.query('insert into t values (1)')
    const read = session
      .reader()
      .query('select 1')
      .catch((error: Error) => error)
    await settle()
    await setting.db.close()
    expect(await read).toBeInstanceOf(Error)
    expect(setting.clock.keepsAlive).toBe(false)
  })
})
