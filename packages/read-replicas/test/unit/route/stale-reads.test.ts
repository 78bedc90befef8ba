import { AbortError, NoSuitableNodeError, PoolClosedError } from '@poolhouse/core'
import { describe, expect, test } from 'vitest'
import { withReplicas } from '../../../src/index.js'
import { FakePool } from '../fake-pool.js'
import { ManualClock, settle } from '../manual-clock.js'
import { type Setting, served, startSetting, tally } from '../setting.js'

/**
 * A setting in which no replica is fresh enough: their replay stands still while the primary
 * writes.
 */
async function stale(options: Parameters<typeof startSetting>[0] = {}): Promise<Setting> {
  const setting = await startSetting({ maxStalenessMs: 1_000, ...options })
  setting.primary.position += 100
  await setting.clock.advance(3_000)
  return setting
}

/** Lets both replicas replay everything, and the monitor notice it. */
async function catchUp({ primary, b, c, clock }: Setting): Promise<void> {
  b.position = c.position = primary.position
  await clock.advance(300)
}

describe('a read for which no replica is fresh enough', () => {
  test('F29: goes to the primary', async () => {
    const { db } = await stale()
    expect((await db.reader().query('select 1')).node).toBe('a')
    expect(db.stats().routing).toMatchObject({ primaryNoneFits: 1, staleWaits: 0 })
  })

  test('is refused at once with whenStale "error", and the error says why', async () => {
    const { db } = await stale({ whenStale: 'error' })
    const read = db.reader().query('select 1')
    await expect(read).rejects.toThrow(NoSuitableNodeError)
    await expect(read).rejects.toThrow(/"b": it may be \d+ ms behind, and the read accepts 1000 ms/)
    expect(db.stats().routing).toMatchObject({ refusedStale: 1, primaryNoneFits: 0 })
  })

  test('waits for a replica that becomes fresh', async () => {
    const setting = await stale({ whenStale: { waitMs: 2_000, otherwise: 'error' } })
    const read = setting.db.reader().query('select 1')
    await settle()
    expect(setting.clock.keepsAlive).toBe(true)
    await catchUp(setting)
    expect(['b', 'c']).toContain((await read).node)
    expect(setting.db.stats().routing).toMatchObject({ staleWaits: 1, refusedStale: 0 })
  })

  test.each([
    ['primary', 'a'],
    ['error', NoSuitableNodeError],
  ] as const)('waits so long at most, and then it is the turn of: %s', async (otherwise, end) => {
    const { db, clock } = await stale({ whenStale: { waitMs: 500, otherwise } })
    let over = false
    const read = db
      .reader()
      .query('select 1')
      .finally(() => {
        over = true
      })
    read.catch(() => {})
    await clock.advance(499)
    expect(over).toBe(false)
    await clock.advance(1)
    if (typeof end === 'string') expect((await read).node).toBe(end)
    else await expect(read).rejects.toThrow(end)
  })

  test('waits no longer than the limit of the call, and not at all after an abort', async () => {
    const { db, clock } = await stale({ whenStale: { waitMs: 10_000, otherwise: 'error' } })
    const brief = db.reader().query('select 1', undefined, { timeoutMs: 200 })
    brief.catch(() => {})
    await clock.advance(200)
    await expect(brief).rejects.toThrow(NoSuitableNodeError)
    const stop = new AbortController()
    const aborted = db.reader().query('select 1', undefined, { signal: stop.signal })
    await settle()
    stop.abort(new Error('enough'))
    await expect(aborted).rejects.toThrow(AbortError)
    await expect(aborted).rejects.toMatchObject({ executed: 'no', cause: { message: 'enough' } })
  })

  test('rejects when the pool closes', async () => {
    const { db, clock } = await stale({ whenStale: { waitMs: 10_000 } })
    const read = db.reader().query('select 1')
    read.catch(() => {})
    await settle()
    await db.close()
    await expect(read).rejects.toThrow(PoolClosedError)
    expect(clock.keepsAlive).toBe(false)
  })

  test.each(['b', 'a'] as const)(
    'T68: is served by "%s" while the pool closes with waiters: serve',
    async (node) => {
      const setting = await stale({ whenStale: { waitMs: 2_000 } })
      const { db, clock } = setting
      for (const pool of [setting.primary, setting.b, setting.c]) pool.leased = 0
      const read = db.reader().query('select 1')
      await settle()
      const closing = db.close({ timeoutMs: 10_000, waiters: 'serve' })
      await expect(db.reader().query('select 2')).rejects.toThrow(PoolClosedError)
      await expect(db.query('select 2')).rejects.toThrow(PoolClosedError)
      await expect(db.session().query('select 2')).rejects.toThrow(PoolClosedError)
      if (node === 'b') await catchUp(setting)
      await clock.advance(2_500)
      const served = (await read).node
      expect(node === 'a' ? ['a'] : ['b', 'c']).toContain(served)
      await clock.advance(100)
      await closing
      expect(clock.keepsAlive).toBe(false)
    },
  )

  test('may set whenStale by its reader or its session', async () => {
    const { db } = await stale({ whenStale: 'error' })
    expect((await db.reader({ whenStale: 'primary' }).query('select 1')).node).toBe('a')
    const session = db.session('', { whenStale: 'primary' })
    expect((await session.reader().query('select 1')).node).toBe('a')
    const strict = session.reader({ whenStale: 'error' })
    await expect(strict.query('select 1')).rejects.toThrow(NoSuitableNodeError)
  })

  test('goes to the primary if there are no replicas to wait for', async () => {
    await using db = withReplicas(new FakePool('a'), [], {
      clock: new ManualClock(),
      whenStale: { waitMs: 10_000, otherwise: 'error' },
    })
    expect((await db.reader().query('select 1')).node).toBe('a')
    expect(db.stats().routing).toMatchObject({ primaryNoReplicas: 1 })
  })
})

describe('maxStalenessBytes', () => {
  test('keeps reads away from replicas with more left to replay', async () => {
    const { db, primary, b, c, clock } = await startSetting({ maxStalenessBytes: 64 })
    primary.position = 2_000
    b.position = 1_936
    c.position = 1_935
    await clock.advance(1_200)
    expect(tally(await served(db, 6))).toEqual(new Map([['b', 6]]))
    const [, why] = db.explainRoute('select 1', { intent: 'read' }).candidates
    expect(why?.reason).toBe('it is 65 bytes behind, and the read accepts 64')
  })

  test('can be set for a view and for a call', async () => {
    const { db, primary, b, c, clock } = await startSetting()
    primary.position = 2_000
    b.position = c.position = 1_900
    await clock.advance(1_200)
    const strict = db.reader({ maxStalenessBytes: 99 })
    expect((await strict.query('select 1')).node).toBe('a')
    const loose = await strict.query('select 1', undefined, { maxStalenessBytes: 100 })
    expect(loose.node).not.toBe('a')
    expect((await db.reader().query('select 1')).node).not.toBe('a')
    const none = await db.reader().query('select 1', undefined, { maxStalenessBytes: 0 })
    expect(none.node).toBe('a')
  })

  test('counts a replica as too far behind if its bytes are not known', async () => {
    const { db, primary, b, c, clock } = await startSetting({
      maxStalenessMs: Number.POSITIVE_INFINITY,
      maxStalenessBytes: 1_000_000,
    })
    // It is not known how much they have of a timeline that the primary has left.
    for (const pool of [primary, b, c]) pool.tellsTimeline = false
    primary.timeline = 2
    b.receiving = c.receiving = false
    await clock.advance(1_200)
    expect((await db.reader().query('select 1')).node).toBe('a')
    const [why] = db.explainRoute('select 1', { intent: 'read' }).candidates
    expect(why?.reason).toContain('how many bytes it is behind is not known')
  })
})

describe('a replica that receives nothing', () => {
  test('F30: gets no reads once its bound has passed, and explains that its receiver does not run', async () => {
    const { db, primary, b, c, clock } = await startSetting({
      maxStalenessMs: 1_000,
      strategy: 'roundRobin',
    })
    b.receiving = false
    primary.position = c.position = 2_000
    await clock.advance(2_000)
    expect(tally(await served(db, 6))).toEqual(new Map([['c', 6]]))
    const [why] = db.explainRoute('select 1', { intent: 'read' }).candidates
    expect(why?.reason).toContain('it receives nothing: its WAL receiver does not run')
    b.receiving = true
    b.position = 2_000
    await clock.advance(500)
    expect([...tally(await served(db, 6)).keys()].sort()).toEqual(['b', 'c'])
  })

  test('S41: keeps its reads while the primary writes nothing', async () => {
    const { db, b, clock } = await startSetting({ maxStalenessMs: 1_000, strategy: 'roundRobin' })
    b.receiving = false
    await clock.advance(60_000)
    expect([...tally(await served(db, 6)).keys()].sort()).toEqual(['b', 'c'])
  })
})
