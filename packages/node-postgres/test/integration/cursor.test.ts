import type { ConnectionLostError } from '@poolhouse/core'
import type { CursorBatch, DriverCursor } from '@poolhouse/core/kit'
import { type Cluster, startCluster } from '@poolhouse/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { failure, openSession, terminate, untilRunning } from '../open-session.js'

let cluster: Cluster

beforeAll(async () => {
  cluster = await startCluster({ replicas: 0 })
})

afterAll(async () => {
  await cluster?.stop()
})

const NUMBERS = { text: 'select n from generate_series(1, 5) n' }

const all = async (cursor: DriverCursor, count: number): Promise<CursorBatch[]> => {
  const batches: CursorBatch[] = []
  for (;;) {
    const batch = await cursor.read(count)
    batches.push(batch)
    if (batch.end) return batches
  }
}

describe('a cursor', () => {
  it('returns as many rows as requested, and the rest with the end', async () => {
    await using session = await openSession(cluster, cluster.primary)
    const cursor = session.connection.openCursor(NUMBERS)
    expect(await cursor.read(2)).toEqual({ rows: [{ n: 1 }, { n: 2 }], end: false })
    expect(await cursor.read(1)).toEqual({ rows: [{ n: 3 }], end: false })
    expect(await cursor.read(9)).toEqual({ rows: [{ n: 4 }, { n: 5 }], end: true })
    expect(await cursor.read(9)).toEqual({ rows: [], end: true })
    expect((await session.query('select 1 as n')).rows).toEqual([{ n: 1 }])
  })

  it('has an empty last batch when the rows end with a batch', async () => {
    await using session = await openSession(cluster, cluster.primary)
    const batches = await all(session.connection.openCursor(NUMBERS), 5)
    expect(batches.map(({ rows, end }) => [rows.length, end])).toEqual([
      [5, false],
      [0, true],
    ])
  })

  it('fetches no more rows than requested', async () => {
    await using session = await openSession(cluster, cluster.primary)
    await session.query('create temp sequence fetched')
    const cursor = session.connection.openCursor({
      text: `select nextval('fetched')::int as n from generate_series(1, 1000)`,
    })
    await cursor.read(3)
    await cursor.close()
    expect((await session.query('select last_value::int as n from fetched')).rows).toEqual([
      { n: 3 },
    ])
  })

  it('sends nothing before its first read', async () => {
    await using session = await openSession(cluster, cluster.primary)
    const cursor = session.connection.openCursor(NUMBERS)
    expect(session.connection.inFlight).toBe(0)
    expect(session.connection.transactionStatus()).toBe('idle')
    await cursor.close()
    expect(await cursor.read(1)).toEqual({ rows: [], end: true })
    expect(session.connection.inFlight).toBe(0)
  })

  it('keeps the session busy until its end', async () => {
    await using session = await openSession(cluster, cluster.primary)
    const { connection } = session
    const state = () => [connection.inFlight, connection.transactionStatus()]
    const cursor = connection.openCursor(NUMBERS)
    const first = cursor.read(4)
    expect(state()).toEqual([1, 'unknown'])
    await first
    expect(state()).toEqual([1, 'unknown'])
    const last = cursor.read(4)
    expect(state()).toEqual([1, 'unknown'])
    await last
    expect(state()).toEqual([0, 'idle'])
  })

  it('waits for the statement before it, and the next statement waits for its end', async () => {
    await using session = await openSession(cluster, cluster.primary)
    const order: string[] = []
    const before = session.query('select pg_sleep(0.02)').then(() => order.push('before'))
    const cursor = session.connection.openCursor(NUMBERS)
    await cursor.read(1).then(() => order.push('first'))
    const after = session.query('select 1').then(() => order.push('after'))
    await cursor.read(1).then(() => order.push('second'))
    await cursor.close().then(() => order.push('closed'))
    await Promise.all([before, after])
    expect(order).toEqual(['before', 'first', 'second', 'closed', 'after'])
  })

  it('leaves a transaction open, both when it is read to its end and when it is closed early', async () => {
    await using session = await openSession(cluster, cluster.primary)
    await session.query('begin')
    const cursor = session.connection.openCursor(NUMBERS)
    await cursor.read(2)
    await Promise.all([cursor.close(), cursor.close()])
    expect(session.connection.transactionStatus()).toBe('active')
    const batches = await all(session.connection.openCursor(NUMBERS), 3)
    expect(batches.flatMap(({ rows }) => rows)).toHaveLength(5)
    expect(session.connection.transactionStatus()).toBe('active')
    await session.query('commit')
  })

  it('commits its statement when it is closed outside of a transaction', async () => {
    await using session = await openSession(cluster, cluster.primary)
    await session.query('create temp table t (n int)')
    const cursor = session.connection.openCursor({
      text: 'insert into t select generate_series(1, 9) returning n',
    })
    expect((await cursor.read(1)).rows).toEqual([{ n: 1 }])
    await cursor.close()
    expect(session.connection.transactionStatus()).toBe('idle')
    expect((await session.query('select count(*)::int as n from t')).rows).toEqual([{ n: 9 }])
  })

  it('accepts values, rows as arrays, and a name that is parsed once', async () => {
    await using session = await openSession(cluster, cluster.primary)
    const statement = {
      text: 'select n, $1::text as t from generate_series(1, 3) n',
      name: 'numbered',
      rowMode: 'array' as const,
    }
    for (const value of ['a', 'b', null]) {
      const cursor = session.connection.openCursor({ ...statement, values: [value] })
      const batches = await all(cursor, 2)
      expect(batches.flatMap(({ rows }) => rows)).toEqual([1, 2, 3].map((n) => [n, value]))
    }
    const { rows } = await session.query(`select name from pg_prepared_statements`)
    expect(rows).toEqual([{ name: 'numbered' }])
  })

  it('is prepared automatically after the configured number of uses', async () => {
    await using session = await openSession(cluster, cluster.primary, {
      prepare: { after: 2, max: 10 },
    })
    const statement = { text: 'select $1::int as n', values: [7] }
    const prepared = async () =>
      (await session.query('select statement from pg_prepared_statements')).rows.length
    await all(session.connection.openCursor(statement), 1)
    expect(await prepared()).toBe(0)
    await all(session.connection.openCursor(statement), 1)
    expect(await prepared()).toBe(1)
    expect(await all(session.connection.openCursor(statement), 2)).toEqual([
      { rows: [{ n: 7 }], end: true },
    ])
  })

  it('prepares its statement again when the server has lost it or its table has changed', async () => {
    await using session = await openSession(cluster, cluster.primary)
    await session.query('create temp table t as select 1 as a')
    const read = async () =>
      (await all(session.connection.openCursor({ text: 'select * from t', name: 'star' }), 5))[0]!
        .rows
    expect(await read()).toEqual([{ a: 1 }])
    await session.query('deallocate all')
    expect(await read()).toEqual([{ a: 1 }])
    await session.query('alter table t add b int default 2')
    expect(await read()).toEqual([{ a: 1, b: 2 }])
  })

  it('ends at once for a statement without rows', async () => {
    await using session = await openSession(cluster, cluster.primary)
    for (const text of [
      '',
      'create temp table t (n int)',
      'insert into t values (1)',
      'copy t to stdout',
    ]) {
      const cursor = session.connection.openCursor({ text })
      expect(await cursor.read(1)).toEqual({ rows: [], end: true })
    }
    expect((await session.query('select n from t')).rows).toEqual([{ n: 1 }])
  })
})

describe('a cursor that the server refuses', () => {
  it('rejects at ReadyForQuery, at the first read and at later ones', async () => {
    await using session = await openSession(cluster, cluster.primary)
    const { connection } = session
    await session.query('begin')
    const wrong = connection.openCursor({ text: 'selec 1' })
    expect(await failure(wrong.read(1))).toMatchObject({ code: '42601', executed: 'rolled-back' })
    expect([connection.inFlight, connection.transactionStatus()]).toEqual([0, 'failed'])
    await wrong.close()
    await session.query('rollback')

    const late = connection.openCursor({
      text: 'select 10 / (3 - n) as q from generate_series(1, 5) n',
    })
    expect((await late.read(2)).rows).toEqual([{ q: 5 }, { q: 10 }])
    const error = await failure(late.read(2))
    expect(error).toMatchObject({ name: 'DatabaseError', code: '22012' })
    expect([connection.inFlight, connection.transactionStatus()]).toEqual([0, 'idle'])
    expect(await failure(late.read(1))).toBe(error)
    await late.close()
    expect((await session.query('select 1 as n')).rows).toEqual([{ n: 1 }])
  })

  it('rejects the last read for a deferred constraint', async () => {
    await using session = await openSession(cluster, cluster.primary)
    await session.query('create temp table t (n int unique deferrable initially deferred)')
    const cursor = session.connection.openCursor({
      text: 'insert into t values (1), (1) returning n',
    })
    expect((await cursor.read(1)).end).toBe(false)
    expect(await failure(cursor.read(5))).toMatchObject({ code: '23505' })
    expect(session.connection.transactionStatus()).toBe('idle')
    expect((await session.query('select 1 as n')).rows).toEqual([{ n: 1 }])
  })

  it('rejects a COPY FROM STDIN and leaves the session in sync', async () => {
    await using session = await openSession(cluster, cluster.primary)
    await session.query('create temp table t (n int)')
    const cursor = session.connection.openCursor({ text: 'copy t from stdin' })
    expect(await failure(cursor.read(1))).toMatchObject({ code: '57014' })
    expect((await session.query('select 1 as n')).rows).toEqual([{ n: 1 }])
    expect((await session.query('select 2 as n')).rows).toEqual([{ n: 2 }])
  })

  it('rejects the first read if it cannot be sent', async () => {
    await using session = await openSession(cluster, cluster.primary)
    const values = session.connection.openCursor({ text: 'select $1', values: [undefined] })
    expect(await failure(values.read(1))).toBeInstanceOf(TypeError)
    await values.close()
    const name = session.connection.openCursor({ text: 'select 1', name: 'n'.repeat(64) })
    expect(await failure(name.read(1))).toBeInstanceOf(TypeError)
    for (const count of [0, -1, 1.5, 2 ** 31]) {
      expect(await failure(session.connection.openCursor(NUMBERS).read(count))).toBeInstanceOf(
        RangeError,
      )
    }
    expect(session.connection.inFlight).toBe(0)
  })

  it('takes one read at a time', async () => {
    await using session = await openSession(cluster, cluster.primary)
    const cursor = session.connection.openCursor(NUMBERS)
    const first = cursor.read(1)
    expect(await failure(cursor.read(1))).toMatchObject({ name: 'PoolhouseError' })
    expect((await first).rows).toEqual([{ n: 1 }])
    const reading = cursor.read(1)
    await cursor.close()
    expect((await reading).rows).toEqual([{ n: 2 }])
    expect(session.connection.inFlight).toBe(0)
  })
})

describe('a row that cannot be read', () => {
  it('ends the cursor but not the session', async () => {
    let parsed = 0
    const types = {
      parserOf: () => (text: string) => {
        parsed++
        if (text === '2') throw new Error('no twos today')
        return text
      },
    }
    await using session = await openSession(cluster, cluster.primary, { types })
    const cursor = session.connection.openCursor(NUMBERS)
    expect(await failure(cursor.read(3))).toMatchObject({
      executed: 'yes',
      message: 'a row of the result cannot be read: no twos today; see POOLHOUSE_ERROR',
    })
    expect(parsed).toBe(2)
    expect(session.connection.transactionStatus()).toBe('idle')
    expect((await session.query('select 1 as n')).rows).toEqual([{ n: '1' }])
  })
})

describe('a session that is lost under a cursor', () => {
  it('rejects the read under way', async () => {
    await using session = await openSession(cluster, cluster.primary)
    const cursor = session.connection.openCursor({ text: 'select pg_sleep(60)' })
    const reading = failure<ConnectionLostError>(cursor.read(1))
    await untilRunning(cluster, session, 'select pg_sleep(60)')
    await terminate(cluster, session)
    expect(await reading).toMatchObject({
      name: 'ConnectionLostError',
      executed: 'unknown',
      sqlState: '57P01',
    })
    await cursor.close()
  })

  it('rejects the next read if none is under way, and resolves close', async () => {
    await using session = await openSession(cluster, cluster.primary)
    const cursor = session.connection.openCursor(NUMBERS)
    await cursor.read(1)
    await terminate(cluster, session)
    await session.heard.over
    const error = await failure(cursor.read(1))
    expect(error).toMatchObject({
      name: 'ConnectionLostError',
      executed: 'unknown',
      sqlState: '57P01',
    })
    await cursor.close()
    expect(session.connection.inFlight).toBe(0)
  })

  it('rejects the first read of an unsent statement with executed "no"', async () => {
    await using session = await openSession(cluster, cluster.primary)
    const { connection } = session
    const running = failure(session.query('select pg_sleep(60)'))
    const waiting = failure(connection.openCursor(NUMBERS).read(1))
    const never = connection.openCursor(NUMBERS)
    connection.destroy('enough')
    await running
    expect(await waiting).toMatchObject({ name: 'ConnectionLostError', executed: 'no' })
    expect(await failure(never.read(1))).toMatchObject({
      name: 'ConnectionLostError',
      executed: 'no',
    })
    await never.close()
  })

  it('resolves the close under way', async () => {
    await using session = await openSession(cluster, cluster.primary)
    const cursor = session.connection.openCursor(NUMBERS)
    await cursor.read(1)
    const closing = cursor.close()
    session.connection.destroy('enough')
    await closing
    expect(await cursor.read(1)).toEqual({ rows: [], end: true })
  })
})
