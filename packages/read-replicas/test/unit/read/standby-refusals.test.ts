import type { DatabaseError, StreamIterator } from '@poolhouse/core'
import { describe, expect, test } from 'vitest'
import { sqlError } from '../failures.js'
import type { FakePool } from '../fake-pool.js'
import { type Setting, startSetting } from '../setting.js'

const UNLOGGED = 'cannot access temporary or unlogged relations during recovery'
const isOnU = (text: string): boolean => /\bu\b/.test(text)

const textsOf = (...pools: FakePool[]): string[] =>
  pools.flatMap((pool) => pool.asked.map(({ text }) => text)).filter(isOnU)

/** Replicas that refuse texts about `u` as a standby refuses an unlogged table. */
function refuse({ b, c }: Setting, make: () => DatabaseError = () => sqlError('0A000', UNLOGGED)) {
  for (const replica of [b, c]) {
    replica.answer = ({ text }) => {
      if (isOnU(text)) throw make()
    }
  }
}

async function drain(stream: StreamIterator<unknown>): Promise<void> {
  for await (const _one of stream);
}

describe('a declared read that a replica refuses because it is a standby', () => {
  test('T62: is answered by the primary in a read-only transaction, and the same statements then go straight there', async () => {
    const setting = await startSetting()
    const { db, primary, b, c } = setting
    refuse(setting)
    expect(await db.reader().query('select * from u where id = 1')).toMatchObject({ node: 'a' })
    expect(primary.asked.map(({ text }) => text)).toContain('begin read only')
    expect(await db.reader().query('select * from u where id = 2')).toMatchObject({ node: 'a' })
    expect(await db.query('select * from u where id = 3', [], { intent: 'read' })).toMatchObject({
      node: 'a',
    })
    expect(textsOf(b, c)).toHaveLength(1)
    expect(textsOf(primary)).toHaveLength(3)
    expect(db.stats().routing).toMatchObject({ reruns: 1, primaryStandby: 3, moved: 0, retried: 0 })
    expect(db.explainRoute('select * from u where id = 4', { intent: 'read' })).toMatchObject({
      target: 'primary',
      decidedBy: 'experience',
    })
    expect((await db.reader().query('select * from t')).node).not.toBe('a')
  })

  test('T62: is sent to a replica again after a minute', async () => {
    const setting = await startSetting({ maxStalenessMs: Number.POSITIVE_INFINITY })
    const { db, b, c, clock } = setting
    refuse(setting)
    await db.reader().query('select * from u')
    for (const replica of [b, c]) replica.answer = () => undefined
    await clock.advance(29_000)
    expect((await db.reader().query('select * from u')).node).toBe('a')
    await clock.advance(62_000)
    expect((await db.reader().query('select * from u')).node).not.toBe('a')
  })

  test('T62: goes to the primary whatever readRetries and whenStale say, within primaryShare', async () => {
    const setting = await startSetting({ readRetries: 0, whenStale: 'error' })
    refuse(setting)
    expect((await setting.db.reader().query('select * from u')).node).toBe('a')
    const closed = await startSetting({ primaryShare: 0 })
    refuse(closed)
    await expect(closed.db.reader().query('select * from u')).rejects.toThrow('primaryShare is 0')
  })

  test('T62: ejects no replica', async () => {
    const setting = await startSetting()
    const { db } = setting
    const shut: unknown[] = []
    db.on('ejected', (event) => shut.push(event))
    refuse(setting)
    await db.reader().query('select * from u')
    expect(shut).toEqual([])
  })

  test('T62: rejects if it is a write, or if the primary refuses it too', async () => {
    const setting = await startSetting()
    const { db, primary } = setting
    refuse(setting, () => sqlError('25006'))
    await expect(db.reader().query('select * from u')).rejects.toMatchObject({
      name: 'ReadIntentError',
    })
    expect(textsOf(primary)).toEqual([])
    refuse(setting)
    primary.answer = ({ text }) => {
      if (isOnU(text)) throw sqlError('42501', 'no right')
    }
    await expect(db.reader().query('select * from u')).rejects.toMatchObject({ code: '42501' })
    expect(textsOf(primary)).toHaveLength(1)
  })

  test('T62: goes to the primary within the limit of the call', async () => {
    const setting = await startSetting()
    const { db, primary, b, c, clock } = setting
    for (const replica of [b, c]) {
      replica.answer = async ({ text }) => {
        if (!isOnU(text)) return
        await clock.advance(400)
        throw sqlError('0A000', UNLOGGED)
      }
    }
    await db.reader().query('select * from u', [], { timeoutMs: 1_000 })
    expect(primary.asked.find(({ text }) => isOnU(text))?.options?.timeoutMs).toBe(600)
  })
})

describe('a stream or a copy that a replica refuses because it is a standby', () => {
  test('T62: begins again on the primary, and the same statements then begin there', async () => {
    const setting = await startSetting()
    const { db, primary, b, c } = setting
    refuse(setting)
    const session = db.session()
    for (const pool of [db.reader(), session.reader()]) {
      await drain(pool.stream('select * from u'))
      await drain(pool.copyTo('copy u to stdout'))
    }
    await drain(db.stream('select * from u', [], { intent: 'read' }))
    expect(textsOf(b, c)).toEqual(['select * from u', 'copy u to stdout'])
    expect(textsOf(primary)).toHaveLength(5)
  })
})

describe('a read-only transaction that a replica refuses because it is a standby', () => {
  test('T62: runs again on the primary if retry allows it', async () => {
    const setting = await startSetting()
    refuse(setting)
    const { db, primary, b, c } = setting
    let runs = 0
    const work = (): Promise<unknown> =>
      db.transaction(
        async (tx) => {
          runs++
          return (await tx.query('select * from u')).node
        },
        { readOnly: true, retry: { attempts: 2 } },
      )
    expect(await work()).toBe('a')
    expect([runs, textsOf(b, c).length, textsOf(primary).length]).toEqual([2, 1, 1])
  })

  test('T62: rejects without retry, and so does a lease', async () => {
    const setting = await startSetting()
    refuse(setting)
    const { db, primary } = setting
    const read = { readOnly: true } as const
    await expect(db.transaction((tx) => tx.query('select * from u'), read)).rejects.toMatchObject({
      code: '0A000',
      executed: 'no',
      retryable: true,
    })
    await expect(db.reader().use((lease) => lease.query('select * from u'))).rejects.toMatchObject({
      code: '0A000',
      executed: 'no',
    })
    expect(textsOf(primary)).toEqual([])
  })
})
