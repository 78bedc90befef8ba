import {
  DatabaseError,
  PoolClosedError,
  ReadIntentError,
  type Transaction,
  TransactionError,
} from '@poolhouse/core'
import { describe, expect, test } from 'vitest'
import { withReplicas } from '../../../src/index.js'
import { sqlError } from '../failures.js'
import { FakePool } from '../fake-pool.js'
import { ManualClock } from '../manual-clock.js'
import { served, startSetting, tally } from '../setting.js'

describe('undeclared work', () => {
  test('goes to the primary, whatever it is', async () => {
    const { db, primary, b, c } = await startSetting()
    await db.query('select 1')
    await db.query({ text: 'select 2' }, { timeoutMs: 50 })
    await db.use(async () => {})
    ;(await db.acquire()).release()
    await db.transaction(async () => {}, { readOnly: false })
    expect(primary.asked.map(({ text }) => text)).toEqual(['select 1', 'select 2'])
    expect([primary.acquired.length, primary.transactions.length]).toEqual([2, 1])
    expect([...b.asked, ...c.asked, ...b.acquired, ...c.acquired]).toEqual([])
  })
})

describe('a declared read', () => {
  test('goes to a replica and says which one served it', async () => {
    const { db } = await startSetting({ strategy: 'roundRobin' })
    expect(tally(await served(db, 10))).toEqual(
      new Map([
        ['b', 5],
        ['c', 5],
      ]),
    )
    const { node } = await db.query('select 1', undefined, { intent: 'read' })
    expect(['b', 'c']).toContain(node)
  })

  test('may be a lease, work on a lease, or a transaction on one node', async () => {
    const { db, primary } = await startSetting()
    const lease = await db.acquire({ intent: 'read' })
    expect(['b', 'c']).toContain(lease.node)
    lease.release()
    expect(['b', 'c']).toContain(await db.use(async ({ node }) => node, { intent: 'read' }))
    const inside = async (tx: Transaction): Promise<unknown[]> => [
      (await tx.query('select 1')).node,
      (await tx.query('select 2')).node,
    ]
    const [first, second] = await db.transaction(inside, { readOnly: true })
    expect(['b', 'c']).toContain(first)
    expect(second).toBe(first)
    expect([primary.asked, primary.acquired, primary.transactions]).toEqual([[], [], []])
  })

  test('runs read-only on the primary as a serializable transaction, which replicas refuse', async () => {
    const { db, primary } = await startSetting({ primaryShare: 0 })
    await db.transaction(async () => {}, { readOnly: true, isolation: 'serializable' })
    await db.reader().transaction(async () => {}, { isolation: 'serializable' })
    expect(primary.transactions).toEqual([
      { readOnly: true, isolation: 'serializable' },
      { readOnly: true, isolation: 'serializable' },
    ])
  })

  test('goes to the primary before anything is known of the replicas', async () => {
    const primary = new FakePool('a')
    const db = withReplicas(primary, [new FakePool('b')], { clock: new ManualClock() })
    expect((await db.reader().query('select 1')).node).toBe('a')
    const route = db.explainRoute('select 1', { intent: 'read' })
    expect(route.candidates).toEqual([
      { node: 'b', eligible: false, reason: 'how far it is behind is not known' },
    ])
    await db.close()
  })

  test('cannot write on the primary either', async () => {
    const { db, primary } = await startSetting()
    const reader = db.reader({ maxStalenessMs: 0 })
    const texts = (): string[] => primary.asked.splice(0).map(({ text }) => text)
    await reader.query('select 1')
    expect(texts()).toEqual(['begin read only', 'select 1', 'rollback'])
    await reader.use(async (lease) => lease.query('select 2'))
    expect(texts()).toEqual(['set default_transaction_read_only to on', 'select 2'])
    await (await reader.acquire()).query('select 3')
    expect(texts()).toEqual(['set default_transaction_read_only to on', 'select 3'])
    await reader.transaction(async () => {})
    expect(primary.transactions).toMatchObject([{ readOnly: true }])
    expect(primary.acquired.every((options) => options?.intent === 'read')).toBe(true)
  })

  test('cannot end the transaction that keeps it from writing on the primary', async () => {
    const { db, primary } = await startSetting({ primaryShare: 0.1 })
    const reader = db.reader({ maxStalenessMs: 0 })
    for (const text of ['commit; insert 1', 'rollback; insert 1', 'select 1; end; insert 1']) {
      await expect(reader.query(text)).rejects.toThrow(TransactionError)
    }
    expect(primary.asked).toEqual([])
    // The places on the primary are free again.
    await expect(reader.query('select 1')).resolves.toBeDefined()
  })

  test('no longer counts when its lease was lost before the caller got it', async () => {
    const { db, primary } = await startSetting({ primaryShare: 0.1 })
    primary.loseLeases = true
    const reader = db.reader({ maxStalenessMs: 0 })
    await reader.acquire()
    primary.loseLeases = false
    await expect(reader.query('select 1', undefined, { timeoutMs: 50 })).resolves.toBeDefined()
  })

  test('gets no connection that could not be made read-only', async () => {
    const { db, primary } = await startSetting({ primaryShare: 0.1 })
    primary.answer = ({ text }) =>
      text.startsWith('set') ? Promise.reject(sqlError('57014')) : undefined
    const reader = db.reader({ maxStalenessMs: 0 })
    await expect(reader.acquire()).rejects.toThrow(DatabaseError)
    await expect(reader.use(async () => {})).rejects.toThrow(DatabaseError)
    primary.answer = () => undefined
    await expect(reader.query('select 1')).resolves.toBeDefined()
  })

  test('counts as in flight while its lease is held', async () => {
    const { db } = await startSetting()
    const busy = (): number[] =>
      db
        .explainRoute('select 1', { intent: 'read' })
        .candidates.map(({ reason }) => Number(/(\d+) reads in flight/.exec(reason)?.[1]))
    const leases = await Promise.all([1, 2, 3, 4].map(() => db.acquire({ intent: 'read' })))
    expect(busy()).toEqual([2, 2])
    for (const lease of leases) lease.release()
    expect(busy()).toEqual([0, 0])
  })
})

describe('a reader', () => {
  test('turns the refusal of a write into a ReadIntentError that keeps the cause', async () => {
    const { db, b, c } = await startSetting()
    const refusal = sqlError('25006', 'cannot execute INSERT in a read-only transaction')
    b.answer = c.answer = () => Promise.reject(refusal)
    const error: unknown = await db
      .reader()
      .query('insert')
      .catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(ReadIntentError)
    expect(error).toMatchObject({ executed: 'no', cause: refusal })
    expect((error as Error).cause).toBeInstanceOf(DatabaseError)
    expect(b.asked.length + c.asked.length).toBe(1)
  })

  test('refuses calls with the intent write before anything is sent', async () => {
    const { db } = await startSetting()
    const reader = db.reader()
    await expect(reader.query('select 1', undefined, { intent: 'write' })).rejects.toThrow(
      ReadIntentError,
    )
    await expect(reader.acquire({ intent: 'write' })).rejects.toThrow(ReadIntentError)
    await expect(reader.use(async () => {}, { intent: 'write' })).rejects.toThrow(ReadIntentError)
    await expect(reader.transaction(async () => {}, { readOnly: false })).rejects.toThrow(
      ReadIntentError,
    )
  })

  test('closes without closing the pool', async () => {
    const { db, b, primary } = await startSetting()
    const reader = db.reader()
    await reader.close()
    await expect(reader.query('select 1')).rejects.toThrow(PoolClosedError)
    await expect(reader.acquire()).rejects.toThrow(PoolClosedError)
    expect([primary.closed, b.closed]).toEqual([false, false])
    await expect(db.reader().query('select 1')).resolves.toBeDefined()
  })

  test('refuses wrong options by name', async () => {
    const { db } = await startSetting()
    expect(() => db.reader({ maxStaleness: 1 } as never)).toThrow('did you mean "maxStalenessMs"?')
    expect(() => db.reader({ maxStalenessMs: Number.NaN })).toThrow(RangeError)
    await expect(
      db.query('select 1', undefined, { intent: 'read', maxStalenessMs: -1 }),
    ).rejects.toThrow('query: maxStalenessMs must be')
  })
})

describe('the pool as a whole', () => {
  test('closes the pools that it was given, stops every timer and refuses work', async () => {
    const { db, primary, b, c, clock } = await startSetting()
    const reader = db.reader()
    await Promise.all([db.close(), db.close()])
    expect([primary.closed, b.closed, c.closed]).toEqual([true, true, true])
    expect([...b.sessions, ...c.sessions, ...primary.sessions].every(({ closed }) => closed)).toBe(
      true,
    )
    expect([b.heard('error'), c.heard('error')]).toEqual([false, false])
    await clock.advance(60_000)
    expect(clock.pending).toBe(0)
    await expect(db.query('select 1')).rejects.toThrow(PoolClosedError)
    await expect(reader.query('select 1')).rejects.toThrow(PoolClosedError)
    await expect(db.acquire({ intent: 'read' })).rejects.toThrow(PoolClosedError)
    await expect(db.transaction(async () => {}, { readOnly: true })).rejects.toThrow(
      PoolClosedError,
    )
  })

  test('keeps the process alive only while a caller waits', async () => {
    const { db, clock } = await startSetting({ primaryShare: 0.1 })
    const reader = db.reader({ maxStalenessMs: 0 })
    const held = await reader.acquire()
    expect([clock.keepsAlive, clock.pending > 0]).toEqual([false, true])
    const waiting = reader.acquire()
    expect(clock.keepsAlive).toBe(true)
    held.release()
    await waiting
    expect(clock.keepsAlive).toBe(false)
  })

  test('sums the statistics of its nodes and shows each of them', async () => {
    const { db } = await startSetting()
    const stats = db.stats()
    expect([stats.leased, stats.max]).toEqual([3, 30])
    expect(Object.keys(stats.nodes ?? {})).toEqual(['a', 'b', 'c'])
  })

  test('relays the events of its pools while there is a listener', async () => {
    const { db, b, clock } = await startSetting()
    const heard: string[] = []
    const listener = ({ pool }: { pool: string }): number => heard.push(pool)
    db.on('error', listener)
    b.report(new Error('once'))
    await clock.advance(0)
    db.off('error', listener)
    b.report(new Error('twice'))
    await clock.advance(0)
    expect(heard).toEqual(['b'])
  })

  test('rejects a read with the error that its strategy throws', async () => {
    const own = (): never => {
      throw new Error('no idea')
    }
    const { db } = await startSetting({ strategy: own })
    await expect(db.reader().query('select 1')).rejects.toThrow('no idea')
    await expect(db.reader().use(async () => {})).rejects.toThrow('no idea')
  })
})
