import { describe, expect, test } from 'vitest'
import { runWith } from '../../../src/index.js'
import { startSetting } from '../setting.js'

const SQL = 'select 1'

describe('runWith', () => {
  test('gives its defaults to every call inside, across awaits and timers', async () => {
    const { db } = await startSetting()
    const nodes = await runWith({ intent: 'read' }, async () => {
      const first = await db.query(SQL)
      await new Promise((resolve) => setImmediate(resolve))
      const second = await db.query(SQL)
      const third = await db.transaction(async (tx) => (await tx.query(SQL)).node)
      return [first.node, second.node, third]
    })
    for (const node of nodes) expect(['b', 'c']).toContain(node)
    expect((await db.query(SQL)).node).toBe('a')
  })

  test('nests: the inner one overrides what it names, and the rest is as outside', async () => {
    const { db, clock } = await startSetting()
    await clock.advance(700)
    await runWith({ intent: 'read', maxStalenessMs: 60_000 }, async () => {
      expect((await db.query(SQL)).node).not.toBe('a')
      await runWith({ maxStalenessMs: 0 }, async () => {
        expect((await db.query(SQL)).node).toBe('a')
        // Left out, or undefined: as outside.
        await runWith({ maxStalenessMs: undefined }, async () => {
          expect((await db.query(SQL)).node).toBe('a')
        })
        await runWith({ maxStalenessMs: 60_000 }, async () => {
          expect((await db.query(SQL)).node).not.toBe('a')
        })
      })
      await runWith({ intent: 'write' }, async () => {
        expect((await db.query(SQL)).node).toBe('a')
      })
      expect((await db.query(SQL)).node).not.toBe('a')
    })
  })

  test('keeps concurrent work apart', async () => {
    const { db } = await startSetting()
    const one = async (intent: 'read' | 'write'): Promise<boolean> =>
      await runWith({ intent }, async () => {
        await Promise.resolve()
        return (await db.query(SQL)).node === 'a'
      })
    expect(await Promise.all([one('read'), one('write'), one('read'), one('write')])).toEqual([
      false,
      true,
      false,
      true,
    ])
  })

  test('does not override the options of a call or a view', async () => {
    const { db, clock } = await startSetting()
    await clock.advance(700)
    const reader = db.reader({ maxStalenessMs: 60_000 })
    const plain = db.reader()
    await runWith({ intent: 'read', maxStalenessMs: 0 }, async () => {
      expect((await reader.query(SQL)).node).not.toBe('a')
      expect((await plain.query(SQL)).node).toBe('a')
      const own = await db.query(SQL, undefined, { maxStalenessMs: 60_000 })
      expect(own.node).not.toBe('a')
      expect((await db.query(SQL, undefined, { intent: 'write' })).node).toBe('a')
      expect(
        await db.transaction(async (tx) => (await tx.query(SQL)).node, { readOnly: false }),
      ).toBe('a')
    })
  })

  test('bounds bytes too', async () => {
    const { db, primary, b, c, clock } = await startSetting()
    primary.position = 2_000
    b.position = c.position = 1_900
    await clock.advance(1_200)
    await runWith({ intent: 'read', maxStalenessBytes: 99 }, async () => {
      expect((await db.query(SQL)).node).toBe('a')
      await runWith({ maxStalenessBytes: 100 }, async () => {
        expect((await db.query(SQL)).node).not.toBe('a')
      })
    })
  })

  test('gives its session to the pool and to its readers, and to no other pool', async () => {
    const { db, primary } = await startSetting()
    const other = await startSetting()
    const session = db.session()
    await runWith({ session }, async () => {
      await db.query('insert into t values (1)')
      await other.db.query('insert into t values (1)')
    })
    expect(session.hasWritten).toBe(true)
    expect(session.token).toMatch(/\.3E8$/)
    primary.position = 9_000
    const stranger = other.db.session()
    await runWith({ session: stranger }, () => db.query('insert into t values (2)'))
    expect([stranger.hasWritten, stranger.token]).toEqual([false, ''])
    await runWith({ session }, async () => {
      await db.transaction(async (tx) => tx.query('insert into t values (3)'))
    })
    expect(session.token).toMatch(/\.2328$/)
  })

  test('comes before a session that is made ambient, and not before any other', async () => {
    const { db, clock } = await startSetting()
    await clock.advance(700)
    const wide = db.session(undefined, { ambient: true })
    const own = db.session()
    const others = db.session()
    await runWith({ intent: 'read', session: others, maxStalenessMs: 60_000 }, async () => {
      expect((await wide.query(SQL)).node).not.toBe('a')
      expect((await own.query(SQL)).node).toBe('a')
      const leases = [await wide.acquire(), await own.acquire()]
      expect(leases.map(({ node }) => node === 'a')).toEqual([false, true])
      for (const lease of leases) lease.release()
      await wide.query('insert into t values (1)', undefined, { intent: 'write' })
    })
    expect([wide.hasWritten, others.hasWritten]).toEqual([false, true])
    await runWith({ intent: 'read', maxStalenessMs: 60_000 }, async () => {
      expect((await wide.query(SQL)).node).not.toBe('a')
      expect(await wide.transaction(async (tx) => (await tx.query(SQL)).node)).not.toBe('a')
    })
    await runWith({ intent: 'read', maxStalenessMs: 0 }, async () => {
      expect((await wide.query(SQL)).node).toBe('a')
    })
    await wide.query('insert into t values (2)')
    expect(wide.hasWritten).toBe(true)
    expect(() => db.session(undefined, { ambient: 1 as never })).toThrow('ambient must be true')
  })

  test('returns synchronously what the function returns, and throws what it throws', () => {
    expect(runWith({ intent: 'read' }, () => 7)).toBe(7)
    expect(() =>
      runWith({}, () => {
        throw new Error('mine')
      }),
    ).toThrow('mine')
  })

  test.each([
    [undefined, 'runWith: options must be an object, got undefined'],
    [{ intents: 'read' }, 'unknown option "intents"; did you mean "intent"?'],
    [{ intent: 'reads' }, 'intent'],
    [{ maxStalenessMs: -1 }, 'maxStalenessMs'],
    [{ maxStalenessBytes: Number.NaN }, 'maxStalenessBytes'],
    [{ session: {} }, 'session must be made by session() of a replica pool'],
  ])('refuses %j', (options, message) => {
    expect(() => runWith(options as never, () => 1)).toThrow(message)
  })
})
