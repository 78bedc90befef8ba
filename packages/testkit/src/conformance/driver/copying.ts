import assert from 'node:assert/strict'
import { PoolhouseError } from '@poolhouse/core'
import { failureOf } from '../run/expectations.js'
import { within } from '../run/waiting.js'
import { allOf, begunCopy, countOf, withTable, writeUntilRefused } from './copy-parts.js'
import { type DriverArea, onSession } from './driver-context.js'

/** Data of COPY, both ways. */
export const copying: DriverArea = {
  area: 'copy',
  cases: [
    {
      title: 'data that is copied in comes out the same, however it is cut into pieces',
      seeded: true,
      run: onSession(async (session, test) => {
        const lines = Array.from({ length: 5_000 }, (_, n) => `${n}\tzeile ${n} 🐘\n`)
        const data = Buffer.from(lines.join(''))
        const copy = await session.connection.copyIn('copy t from stdin')
        assert.equal(session.connection.transactionStatus(), 'unknown')
        for (let at = 0; at < data.length; ) {
          const size = 1 + Math.floor(test.random() * 5_000)
          await copy.write(data.subarray(at, at + size))
          at += size
        }
        assert.deepEqual(await copy.finish(), { rowCount: 5_000, command: 'COPY' })
        assert.equal(session.connection.transactionStatus(), 'idle')
        const out = await session.connection.copyOut('copy (select * from t order by n) to stdout')
        assert.ok((await allOf(out)).equals(data))
        assert.equal(session.connection.transactionStatus(), 'idle')
      }, withTable),
    },
    {
      title: 'binary data and CSV go there and back',
      run: onSession(async (session) => {
        await session.query(`insert into t select n, md5(n::text) from generate_series(1, 999) n`)
        for (const format of ['binary', 'csv']) {
          const out = await session.connection.copyOut(`copy t to stdout (format ${format})`)
          const data = await allOf(out)
          await session.query('truncate t')
          const copy = await session.connection.copyIn(`copy t from stdin (format ${format})`)
          await copy.write(data)
          assert.equal((await copy.finish()).rowCount, 999)
        }
      }, withTable),
    },
    {
      title: 'a COPY of nothing ends at once, both ways, and a chunk of nothing is no end',
      run: onSession(async (session) => {
        const copy = await session.connection.copyIn('copy t from stdin')
        assert.equal((await copy.finish()).rowCount, 0)
        const out = await session.connection.copyOut('copy t to stdout')
        assert.equal((await allOf(out)).length, 0)
        const other = await session.connection.copyIn('copy t from stdin')
        await other.write(new Uint8Array(0))
        await other.write(Buffer.from('1\tx\n'))
        assert.equal((await other.finish()).rowCount, 1)
      }, withTable),
    },
    {
      title: 'bytes that the source uses again after write has resolved have been taken',
      run: onSession(async (session) => {
        const copy = await session.connection.copyIn('copy t (n) from stdin')
        const buffer = Buffer.alloc(4)
        for (let n = 100; n < 400; n++) {
          buffer.write(`${n}\n`)
          await copy.write(buffer)
        }
        await copy.finish()
        const { rows } = await session.query('select count(distinct n)::int as n from t')
        assert.deepEqual(rows, [{ n: 300 }])
      }, withTable),
    },
    {
      title: 'a COPY inside a transaction belongs to it',
      run: onSession(async (session) => {
        await session.query('begin')
        const copy = await begunCopy(session)
        await copy.finish()
        assert.equal(session.connection.transactionStatus(), 'active')
        const out = await session.connection.copyOut('copy t to stdout')
        assert.equal((await allOf(out)).toString(), '1\tx\n')
        await session.query('rollback')
        assert.equal(await countOf(session), 0)
      }, withTable),
    },
    {
      title: 'fail undoes the COPY and keeps the session, and has failed a transaction around it',
      run: onSession(async (session) => {
        for (const status of ['idle', 'failed'] as const) {
          if (status === 'failed') await session.query('begin')
          const copy = await begunCopy(session)
          await copy.fail('the source broke: "äöü"')
          assert.equal(session.connection.transactionStatus(), status)
          if (status === 'failed') await session.query('rollback')
        }
        assert.equal(await countOf(session), 0)
      }, withTable),
    },
    {
      title:
        'data that the server refuses fails the COPY with its error and place, and nothing of it stays',
      run: onSession(async (session) => {
        const copy = await begunCopy(session, '1\tx\nno number\ty\n')
        await failureOf(copy.finish(), {
          name: 'DatabaseError',
          code: '22P02',
          where: /COPY t, line 2/,
          executed: 'rolled-back',
        })
        assert.equal(session.connection.transactionStatus(), 'idle')
        assert.equal(await countOf(session), 0)
      }, withTable),
    },
    {
      title:
        'data that the server refuses is told while the source is still writing, and fail and finish after it settle',
      run: onSession(async (session) => {
        const copy = await begunCopy(session, 'no number\ty\n')
        // The server looks at the data when its buffer is full.
        await copy.write(Buffer.alloc(200_000, '1\tx\n'))
        await failureOf(within(writeUntilRefused(copy), 3_000, 'the refusal'), { code: '22P02' })
        await within(copy.fail('it was refused'), 2_000, 'fail')
        await within(
          copy.finish().catch(() => {}),
          2_000,
          'finish',
        )
        assert.equal(session.connection.transactionStatus(), 'idle')
        assert.equal(await countOf(session), 0)
      }, withTable),
    },
    {
      title:
        'a COPY to the client that fails midway gives what came and then the error, and keeps the session',
      run: onSession(async (session) => {
        const out = await session.connection.copyOut(
          `copy (select 1 / (5000 - n), repeat('x', 99) from generate_series(1, 9000) n) to stdout`,
        )
        await failureOf(allOf(out), { name: 'DatabaseError', code: '22012' })
        assert.equal(session.connection.transactionStatus(), 'idle')
        assert.deepEqual((await session.query('select 1 as n')).rows, [{ n: 1 }])
      }),
    },
    {
      title:
        'statements that the server refuses, and statements that are no COPY of that direction, are refused, and the session goes on',
      run: onSession(async (session) => {
        const { connection } = session
        await failureOf(connection.copyIn('copy nowhere from stdin'), { code: '42P01' })
        await failureOf(connection.copyOut('copy nowhere to stdout'), { code: '42P01' })
        await failureOf(connection.copyIn('coppy'), { name: 'DatabaseError', code: '42601' })
        const wrong: (() => Promise<unknown>)[] = [
          () => connection.copyIn('select 1'),
          () => connection.copyIn('copy t to stdout'),
          () => connection.copyIn(''),
          () => connection.copyOut('select 1'),
          () => connection.copyOut('copy t from stdin'),
          () => connection.copyOut(''),
        ]
        for (const call of wrong) {
          const error = await failureOf(within(call(), 3_000, 'the refusal'))
          assert.ok(error instanceof PoolhouseError || error instanceof TypeError, String(error))
          assert.deepEqual((await session.query('select 1 as n')).rows, [{ n: 1 }])
          assert.equal(connection.transactionStatus(), 'idle')
        }
        assert.equal(await countOf(session), 0)
      }, withTable),
    },
  ],
}
