import {
  DatabaseError,
  type Pool,
  PoolClosedError,
  ReadIntentError,
  type StreamIterator,
} from '@poolhouse/core'
import { describe, expect, test } from 'vitest'
import { lost } from '../failures.js'
import type { FakePool } from '../fake-pool.js'
import { startSetting } from '../setting.js'

const textsOf = (...pools: FakePool[]): string[] =>
  pools.flatMap((pool) => pool.asked.map(({ text }) => text))

async function drain(stream: StreamIterator<unknown>): Promise<void> {
  for await (const _one of stream);
}

describe('a stream or a copy', () => {
  test('goes to the primary if it is undeclared', async () => {
    const { db, primary, b, c } = await startSetting()
    await drain(db.stream('rows'))
    await drain(db.copyTo('copy t to stdout'))
    await db.copyFrom('copy t from stdin', [])
    expect(textsOf(primary)).toEqual(['rows', 'copy t to stdout', 'copy t from stdin'])
    expect(textsOf(b, c)).toEqual([])
  })

  test('runs on a replica as a declared read, and gives the connection back', async () => {
    const { db, primary, b, c } = await startSetting()
    await drain(db.stream('one', [], { intent: 'read' }))
    await drain(db.reader().stream('two'))
    await drain(db.reader().copyTo('copy t to stdout'))
    expect(textsOf(b, c).sort()).toEqual(['copy t to stdout', 'one', 'two'])
    expect(b.acquired.length + c.acquired.length).toBe(3)
    expect(primary.acquired).toEqual([])
  })

  test('acquires nothing before its first element is asked for', async () => {
    const { db, b, c } = await startSetting()
    db.reader().stream('one')
    expect([...b.acquired, ...c.acquired]).toEqual([])
  })

  test('moves to another node while nothing was sent', async () => {
    const { db, b, c } = await startSetting({ strategy: 'roundRobin' })
    const refuse = (): never => {
      throw new PoolClosedError('gone')
    }
    b.answer = refuse
    await drain(db.reader().stream('one'))
    await drain(db.reader().stream('two'))
    expect(textsOf(c)).toEqual(['one', 'two'])
  })

  test('T18: begins again elsewhere if it is lost before its first element, as often as a query does', async () => {
    const calls: ((pool: Pool) => Promise<unknown>)[] = [
      (pool) => pool.query('one'),
      (pool) => pool.stream('one').next(),
      (pool) => pool.copyTo('copy one to stdout').next(),
    ]
    for (const readRetries of [0, 1]) {
      for (const call of calls) {
        const { db, b, c } = await startSetting({ readRetries, strategy: 'roundRobin' })
        for (const replica of [b, c]) {
          replica.answer = ({ text }) => {
            if (text !== '(acquire)') throw lost()
          }
        }
        await expect(call(db.reader())).rejects.toMatchObject({ executed: 'unknown' })
        expect(db.stats().routing).toMatchObject({ retried: readRetries })
        expect(textsOf(b, c)).toHaveLength(1 + readRetries)
      }
    }
  })

  test('counts as work of its node until its reader is done', async () => {
    const { db, b, c } = await startSetting({ strategy: 'leastBusy' })
    for (const replica of [b, c]) replica.answer = () => [{ n: 1 }, { n: 2 }]
    const inFlight = (): string =>
      db
        .explainRoute('read', { intent: 'read' })
        .candidates.map(({ reason }) => /(\d+) reads in flight/.exec(reason)?.[1])
        .sort()
        .join()
    const stream = db.reader().stream('rows')
    await stream.next()
    expect(inFlight()).toBe('0,1')
    await stream.return()
    expect(inFlight()).toBe('0,0')
    const dropped = db.reader().stream('rows')
    void dropped.next()
    await dropped.return()
    expect(inFlight()).toBe('0,0')
  })

  test('runs read-only on the primary when no replica fits', async () => {
    const { db, primary } = await startSetting()
    await drain(db.stream('one', [], { intent: 'read', maxStalenessMs: 0 }))
    expect(textsOf(primary)).toEqual(['set default_transaction_read_only to on', 'one'])
  })

  test('rejects with ReadIntentError if it is a declared read and writes', async () => {
    const { db, b, c } = await startSetting()
    const refuse = ({ text }: { text: string }): void => {
      if (text !== '(acquire)') {
        throw new DatabaseError('cannot execute INSERT in a read-only transaction', {
          code: '25006',
          severity: 'ERROR',
        })
      }
    }
    b.answer = refuse
    c.answer = refuse
    await expect(db.reader().stream('insert').next()).rejects.toBeInstanceOf(ReadIntentError)
  })

  test('is refused on a reader as a copy into the database, and with the intent write', async () => {
    const { db, primary, b, c } = await startSetting()
    const reader = db.reader()
    await expect(reader.copyFrom('copy t from stdin', [])).rejects.toThrow(
      'reader.copyFrom was asked to write',
    )
    await expect(reader.stream('one', [], { intent: 'write' }).next()).rejects.toBeInstanceOf(
      ReadIntentError,
    )
    await reader.close()
    await expect(reader.copyFrom('copy t from stdin', [])).rejects.toBeInstanceOf(PoolClosedError)
    await expect(reader.stream('one').next()).rejects.toBeInstanceOf(PoolClosedError)
    await expect(reader.copyTo('copy t to stdout').next()).rejects.toBeInstanceOf(PoolClosedError)
    expect(textsOf(primary, b, c)).toEqual([])
  })

  test('checks its arguments by name', async () => {
    const { db } = await startSetting()
    expect(() => db.reader().stream('one', [], { batchSize: -1 })).toThrow('stream: batchSize')
    expect(() => db.reader().copyTo('copy t from stdin')).toThrow('that one is for copyFrom')
    expect(() => db.stream('one', [], { intent: 'read', maxStalenessMs: -1 })).toThrow(RangeError)
  })
})
