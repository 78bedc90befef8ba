import assert from 'node:assert/strict'
import type { DriverCursor } from '@poolhouse/core/kit'
import { failureOf, LOST } from '../run/expectations.js'
import { within } from '../run/waiting.js'
import { type DriverArea, onSession } from './driver-context.js'

/** Reads a cursor to its end and gives the rows, batch by batch. */
async function batchesOf(cursor: DriverCursor, count: number): Promise<unknown[][]> {
  const batches: unknown[][] = []
  for (;;) {
    const { rows, end } = await cursor.read(count)
    assert.ok(rows.length <= count, `${rows.length} rows came and ${count} were asked for`)
    batches.push(rows)
    if (end) return batches
    assert.ok(rows.length > 0, 'a batch without rows was not the last')
  }
}

const numbers = (count: number): { n: number }[] =>
  Array.from({ length: count }, (_, index) => ({ n: index + 1 }))

/** Rows fetched when asked for. */
export const cursors: DriverArea = {
  area: 'cursors',
  cases: [
    {
      title:
        'a cursor gives all rows in order, in batches no larger than asked for, and then the end',
      run: onSession(async ({ connection }) => {
        for (const count of [0, 1, 4, 5, 6, 10, 11]) {
          const text = `select n from generate_series(1, ${count}) as n`
          const batches = await batchesOf(connection.openCursor({ text }), 5)
          assert.deepEqual(batches.flat(), numbers(count))
          assert.equal(connection.transactionStatus(), 'idle')
          assert.equal(connection.inFlight, 0)
        }
      }),
    },
    {
      title: 'a cursor takes values, names and rows as arrays, and the size of a batch may change',
      run: onSession(async (session) => {
        const text = 'select n, n * 2 as n from generate_series(1, $1::int) as n'
        for (const name of [undefined, 'rows', 'rows']) {
          const cursor = session.connection.openCursor({
            text,
            values: [6],
            name,
            rowMode: 'array',
          })
          const first = await cursor.read(1)
          assert.deepEqual(first, { rows: [[1, 2]], end: false })
          const rest = await batchesOf(cursor, 4)
          assert.deepEqual(
            rest.flat(),
            [2, 3, 4, 5, 6].map((n) => [n, n * 2]),
          )
        }
      }),
    },
    {
      title: 'a cursor reads values as statements do',
      run: onSession(async (session) => {
        const text = `select 1::int8 as big, true as yes, null as nothing, array[1, 2] as list, '{"a": 1}'::jsonb as doc`
        const { rows } = await session.query(text)
        assert.deepEqual((await batchesOf(session.connection.openCursor({ text }), 9)).flat(), rows)
      }),
    },
    {
      title: 'nothing is sent before the first read, and a cursor closed before it needs nothing',
      run: onSession(async (session, test) => {
        const seen: string[] = []
        test.line.onStatement((text) => seen.push(text))
        const cursor = session.connection.openCursor({ text: 'select 1 as unread' })
        await cursor.close()
        await session.query('select 2 as read')
        assert.deepEqual(seen, ['select 2 as read'])
      }),
    },
    {
      title: 'the session belongs to the cursor from its first read to its end',
      run: onSession(async ({ connection }) => {
        const cursor = connection.openCursor({ text: 'select generate_series(1, 9)' })
        assert.equal(connection.transactionStatus(), 'idle')
        await cursor.read(2)
        assert.equal(connection.transactionStatus(), 'unknown')
        await cursor.close()
        assert.equal(connection.transactionStatus(), 'idle')
      }),
    },
    {
      title:
        'a cursor that is closed early gives up its rows, again and again without harm, and the session goes on',
      run: onSession(async (session) => {
        for (const reads of [1, 3]) {
          const cursor = session.connection.openCursor({
            text: 'select n from generate_series(1, 1000000) as n',
          })
          for (let read = 0; read < reads; read++) await cursor.read(10)
          await Promise.all([cursor.close(), cursor.close()])
          assert.deepEqual((await session.query('select 1 as n')).rows, [{ n: 1 }])
          await cursor.close()
        }
        const { rows } = await session.query('select count(*)::int as n from pg_cursors')
        assert.deepEqual(rows, [{ n: 0 }])
      }),
    },
    {
      title: 'a cursor that has ended can be closed',
      run: onSession(async (session) => {
        const cursor = session.connection.openCursor({ text: 'select 1' })
        await batchesOf(cursor, 5)
        await cursor.close()
        assert.equal(session.connection.transactionStatus(), 'idle')
      }),
    },
    {
      title: 'F46: the server sends no more rows than are asked for',
      async run(test) {
        const { relay, session } = await test.relayed(test.line)
        const cursor = session.connection.openCursor({
          text: `select repeat('x', 1000) as t from generate_series(1, 20000)`,
        })
        const before = relay.received
        for (let read = 0; read < 5; read++) await cursor.read(10)
        await cursor.close()
        assert.ok(relay.received - before < 200_000, `${relay.received - before} bytes came`)
      },
    },
    {
      title: 'a cursor inside a transaction leaves it open, with what was done before and after',
      run: onSession(async (session) => {
        await session.query('create temp table t (n int)')
        await session.query('begin')
        await session.query('insert into t values (1), (2), (3)')
        const cursor = session.connection.openCursor({ text: 'select n from t order by n' })
        assert.deepEqual((await cursor.read(2)).rows, [{ n: 1 }, { n: 2 }])
        await cursor.close()
        assert.equal(session.connection.transactionStatus(), 'active')
        await session.query('delete from t where n = 2')
        const all = session.connection.openCursor({ text: 'select n from t order by n' })
        assert.deepEqual((await batchesOf(all, 100)).flat(), [{ n: 1 }, { n: 3 }])
        assert.equal((await session.query('commit')).command, 'COMMIT')
      }),
    },
    {
      title: 'a cursor over a statement that writes does its work, once',
      run: onSession(async (session) => {
        await session.query('create temp table t (n int)')
        const insert = { text: 'insert into t select generate_series(1, 7) returning n' }
        const written = await batchesOf(session.connection.openCursor(insert), 3)
        assert.deepEqual(written.flat(), numbers(7))
        const silent = session.connection.openCursor({ text: 'update t set n = n + 1' })
        assert.deepEqual(await batchesOf(silent, 3), [[]])
        const { rows } = await session.query('select sum(n)::int as n from t')
        assert.deepEqual(rows, [{ n: 35 }])
      }),
    },
    {
      title: 'a cursor over the empty query ends at once',
      run: onSession(async (session) => {
        assert.deepEqual(await batchesOf(session.connection.openCursor({ text: '' }), 3), [[]])
        assert.equal(session.connection.transactionStatus(), 'idle')
      }),
    },
    {
      title:
        'a cursor whose statement is refused rejects its first read like a statement, and the session goes on',
      run: onSession(async (session) => {
        const cursor = session.connection.openCursor({ text: 'selec 1' })
        await failureOf(cursor.read(5), { name: 'DatabaseError', code: '42601' })
        assert.equal(session.connection.transactionStatus(), 'idle')
        await cursor.close()
        const other = session.connection.openCursor({ text: 'select $1::int', values: ['x'] })
        await failureOf(other.read(5), { code: '22P02' })
        assert.deepEqual((await session.query('select 1 as n')).rows, [{ n: 1 }])
      }),
    },
    {
      title:
        'a cursor that fails between two batches rejects that read, at ReadyForQuery, and a transaction around it has failed',
      run: onSession(async (session) => {
        for (const status of ['idle', 'failed'] as const) {
          if (status === 'failed') await session.query('begin')
          const cursor = session.connection.openCursor({
            text: 'select 1 / (25 - n) as n from generate_series(1, 100) as n',
          })
          for (let read = 0; read < 2; read++) await cursor.read(10)
          await failureOf(cursor.read(10), {
            name: 'DatabaseError',
            code: '22012',
            executed: 'rolled-back',
          })
          assert.equal(session.connection.transactionStatus(), status)
          await cursor.close()
        }
        await session.query('rollback')
      }),
    },
    {
      title: 'F54: a cursor is aborted by cancelling what it reads',
      run: onSession(async (session, test) => {
        const text =
          'select n, pg_sleep(case when n > 10 then 20 else 0 end) from generate_series(1, 99) as n'
        const cursor = session.connection.openCursor({ text })
        await cursor.read(10)
        const waiting = failureOf(cursor.read(10), { name: 'DatabaseError', code: '57014' })
        await test.untilSleeping(session)
        await session.connection.cancel(5_000)
        await waiting
        assert.deepEqual((await session.query('select 1 as n')).rows, [{ n: 1 }])
      }),
    },
    {
      title: 'undefined among the values of a cursor is refused with a TypeError',
      run: onSession(async (session) => {
        const open = async (): Promise<unknown> =>
          session.connection.openCursor({ text: 'select $1::int', values: [undefined] }).read(1)
        assert.ok((await failureOf(open())) instanceof TypeError)
        assert.deepEqual((await session.query('select 1 as n')).rows, [{ n: 1 }])
      }),
    },
    {
      title:
        'F09: a server that is lost under a cursor rejects its read with an unknown outcome, and close resolves',
      async run(test) {
        const text =
          'select n, pg_sleep(case when n > 5 then 20 else 0 end) from generate_series(1, 99) as n'
        for (const when of ['reading', 'between two reads'] as const) {
          const session = await test.connect()
          const cursor = session.connection.openCursor({ text })
          await cursor.read(5)
          const reading = when === 'reading' ? cursor.read(5) : undefined
          reading?.catch(() => {})
          if (reading) await test.untilRunning(session, text)
          await test.terminate(session)
          await within(session.heard.over, 3_000, 'the end of the session')
          await failureOf(reading ?? cursor.read(5), { name: 'ConnectionLostError' })
          await within(cursor.close(), 1_000, 'close of the cursor')
          assert.equal(session.heard.closed.length, 1)
        }
      },
    },
    {
      title: 'destroy settles a read that waits, and close after it resolves',
      run: onSession(async (session, test) => {
        const text = 'select pg_sleep(20)'
        const cursor = session.connection.openCursor({ text })
        const reading = failureOf(cursor.read(1), LOST)
        await test.untilRunning(session, text)
        session.connection.destroy('enough')
        await reading
        await within(cursor.close(), 1_000, 'close of the cursor')
      }),
    },
  ],
}
