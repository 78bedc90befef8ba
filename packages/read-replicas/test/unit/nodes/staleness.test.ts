import type { Pool } from '@poolhouse/core'
import { describe, expect, test } from 'vitest'
import { withReplicas } from '../../../src/index.js'
import { refused } from '../failures.js'
import { FakePool } from '../fake-pool.js'
import { ManualClock, settle } from '../manual-clock.js'
import { served, startSetting, tally } from '../setting.js'

const both = (counts: Map<string, number>): string[] => [...counts.keys()].sort()

describe('staleness of plain replica pools', () => {
  test('S41: keeps replicas of a primary that writes nothing for a minute', async () => {
    const { db, clock } = await startSetting()
    for (let second = 0; second < 60; second++) {
      await clock.advance(1_000)
      expect(both(tally(await served(db, 20)))).toEqual(['b', 'c'])
    }
  })

  test('S41: keeps replicas of a primary whose log ends in an unflushed record that commits nothing', async () => {
    const { db, clock, primary } = await startSetting()
    primary.flushed = primary.position
    primary.position += 32
    await clock.advance(6_000)
    expect(both(tally(await served(db, 20)))).toEqual(['b', 'c'])
    expect((await db.reader({ maxStalenessBytes: 0 }).query('select 1')).node).not.toBe('a')
    // One more byte pair, and it could be a commit that the primary has acknowledged.
    primary.position += 2
    await clock.advance(6_000)
    expect((await db.reader().query('select 1')).node).toBe('a')
  })

  test('T50: knows with the next write that a replica follows a promotion of which it does not tell', async () => {
    const clock = new ManualClock()
    const [a, b] = [new FakePool('a'), new FakePool('b')]
    a.inRecovery = false
    a.timeline = 2
    b.tellsTimeline = false
    const db = withReplicas(a, [b], { clock, random: () => 0.5 })
    await clock.advance(100)
    expect((await db.reader().query('select 1')).node).toBe('a')
    expect(a.polls).toBeLessThan(5)
    a.position += 100
    b.position = a.position
    await clock.advance(1_500)
    expect((await db.reader().query('select 1')).node).toBe('b')
    await db.close()
  })

  test('S42: drops a replica whose replay is paused when the bound has passed, and takes it back', async () => {
    const { db, clock, primary, b, c } = await startSetting({ maxStalenessMs: 2_000 })
    b.replayPaused = true
    const write = (): void => {
      primary.position += 500
      c.position = primary.position
    }
    for (let second = 0; second < 2; second++) {
      write()
      await clock.advance(1_000)
    }
    // The last moment at which b had everything is at most one sample before the first write.
    write()
    await clock.advance(400)
    expect(both(tally(await served(db, 12)))).toEqual(['c'])
    const [why] = db.explainRoute('select 1', { intent: 'read' }).candidates
    expect(why).toMatchObject({ node: 'b', eligible: false })
    expect(why?.reason).toMatch(
      /^it may be \d+ ms behind, .* accepts 2000 ms; its replay is paused$/,
    )
    b.replayPaused = false
    b.position = primary.position
    await clock.advance(2 * 480)
    expect(both(tally(await served(db, 12)))).toEqual(['b', 'c'])
  })

  test('does not need a sample to notice that the bound has passed', async () => {
    const { db, clock, primary, b, c } = await startSetting({ maxStalenessMs: 2_000 })
    primary.hangs = b.hangs = c.hangs = true
    await clock.advance(1_500)
    expect((await db.reader().query('select 1')).node).not.toBe('a')
    await clock.advance(1_000)
    expect((await db.reader().query('select 1')).node).toBe('a')
  })

  test('is measured again at once when the session of a monitor is lost', async () => {
    const { b } = await startSetting()
    expect(b.sessions).toHaveLength(1)
    await b.sessions[0]!.close()
    await settle()
    expect(b.sessions).toHaveLength(2)
  })

  test('accepts any age, known or not, with the bound Infinity', async () => {
    const { db, b, c } = await startSetting()
    b.inRecovery = c.inRecovery = true
    const reader = db.reader({ maxStalenessMs: Number.POSITIVE_INFINITY })
    expect(['b', 'c']).toContain((await reader.query('select 1')).node)
  })

  test('lets a single call set a tighter bound than its reader', async () => {
    const { db, clock } = await startSetting()
    await clock.advance(700)
    const reader = db.reader({ maxStalenessMs: 60_000 })
    expect((await reader.query('select 1', undefined, { maxStalenessMs: 0 })).node).toBe('a')
    expect((await reader.query('select 1')).node).not.toBe('a')
  })

  test('counts a replica as stale while the primary cannot be asked', async () => {
    const { db, clock, primary } = await startSetting()
    primary.down = refused()
    await clock.advance(4_000)
    expect(both(tally(await served(db, 6)))).toEqual(['b', 'c'])
    await clock.advance(2_000)
    expect((await db.reader().query('select 1')).node).toBe('a')
    const infinite = db.reader({ maxStalenessMs: Number.POSITIVE_INFINITY })
    expect((await infinite.query('select 1')).node).not.toBe('a')
  })

  test('uses a replica that is the primary under another name, with read-only transactions', async () => {
    const { db, clock, primary, b, c } = await startSetting()
    b.inRecovery = false
    b.startedAt = primary.startedAt = '1.5'
    c.position = 1
    await clock.advance(6_000)
    expect((await db.reader().query('select 1')).node).toBe('b')
    expect(b.asked.map(({ text }) => text)).toEqual(['begin read only', 'select 1', 'rollback'])
    const [candidate] = db.explainRoute('select 1', { intent: 'read' }).candidates
    expect(candidate?.reason).toContain('it is the primary itself')
  })

  test('asks a primary that opens no sessions through its queries, with the intent write', async () => {
    const clock = new ManualClock()
    const a = new FakePool('a')
    a.inRecovery = false
    const b = new FakePool('b')
    const follower = {
      name: 'follower',
      query: (text: string, values: undefined, options: object) => a.query(text, values, options),
      close: () => a.close(),
    }
    const db = withReplicas(follower as unknown as Pool, [b], { clock })
    await clock.advance(300)
    expect((await db.reader().query('select 1')).node).toBe('b')
    expect(a.sampled[0]?.options).toEqual({ timeoutMs: 500, intent: 'write' })
    await db.close()
  })
})

describe('a replica whose new connection says that it was restarted', () => {
  const LIFE = {
    systemId: '7000000000000000001',
    timeline: 1,
    startedAt: '1.5',
    address: '10.0.0.2',
    port: 5432,
    inRecovery: true,
  }

  /** Only `b` has the write of a session, and is then restarted. */
  async function restart({ hangs = true } = {}) {
    const setting = await startSetting({ maxStalenessMs: 5_000, waitForTokenMs: 0 })
    const { db, clock, primary, b } = setting
    b.leadsTo(LIFE)
    const session = db.session()
    primary.answer = ({ text }) => {
      if (text.startsWith('insert')) primary.position += 100
    }
    await session.query('insert into t values (1)')
    b.position = primary.position
    await clock.advance(1_500)
    expect((await session.reader().query('select 1')).node).toBe('b')
    b.hangs = hangs
    b.leadsTo({ ...LIFE, startedAt: '2.5' })
    await settle()
    return { ...setting, session }
  }

  test('T103: does not count as being as fresh as before', async () => {
    const { db } = await restart()
    for (let read = 0; read < 4; read++) {
      expect((await db.reader().query('select 1')).node).not.toBe('b')
    }
  })

  test('T103: does not count as having what it had', async () => {
    const { session } = await restart()
    expect((await session.reader().query('select 1')).node).toBe('a')
  })

  test('T103: serves reads again as soon as it has told its position', async () => {
    const { db, b, c, clock } = await restart({ hangs: false })
    await clock.advance(20)
    c.down = new Error('no')
    expect(tally(await served(db, 8)).get('b')).toBeGreaterThan(0)
    // A connection that has not noticed the restart yet changes nothing.
    b.hangs = true
    b.leadsTo(LIFE)
    await settle()
    expect(tally(await served(db, 8)).get('b')).toBeGreaterThan(0)
    expect(db.explainRoute('select 1', { intent: 'read' }).candidates).toHaveLength(2)
  })
})
