import assert from 'node:assert/strict'
import type { TransactionStatus } from '@poolhouse/core/kit'
import { failureOf } from '../run/expectations.js'
import { turns, until } from '../run/waiting.js'
import { type DriverArea, onSession } from './driver-context.js'

/** When statements settle, and what a session tells beside their results. */
export const sessions: DriverArea = {
  area: 'sessions',
  cases: [
    {
      title:
        'done is called exactly once and not before run has returned, on success and on failure',
      run: onSession(async ({ connection }) => {
        const calls: string[] = []
        const texts = ['select 1', 'select 1/0', 'selec 1', '', 'begin', 'select 1/0', 'rollback']
        await new Promise<void>((resolve) => {
          let left = texts.length
          for (const text of texts) {
            connection.run({ text }, () => {
              calls.push(text)
              left--
              if (left === 0) resolve()
            })
          }
          assert.deepEqual(calls, [])
        })
        await connection.ping()
        await turns(3)
        assert.deepEqual(calls, texts)
      }),
    },
    {
      title: 'X02: done finds the transaction status of ReadyForQuery, also after an error',
      run: onSession(async (session) => {
        const steps: [string, TransactionStatus][] = [
          ['select 1', 'idle'],
          ['select 1/0', 'idle'],
          ['begin', 'active'],
          ['select 1', 'active'],
          ['savepoint s', 'active'],
          ['select 1/0', 'failed'],
          ['select 1', 'failed'],
          ['rollback to savepoint s', 'active'],
          ['select nothing', 'failed'],
          ['commit', 'idle'],
          ['begin; select 1', 'active'],
          ['rollback; select 1/0', 'idle'],
        ]
        assert.equal(session.connection.transactionStatus(), 'idle')
        for (const [text, status] of steps)
          assert.equal(await session.statusAfter(text), status, text)
      }),
    },
    {
      title: 'X02: an error waits for ReadyForQuery although the server is slow to send it',
      run: onSession(async (session, test) => {
        await session.query('create temp table t (n int unique deferrable initially deferred)')
        await session.query('begin')
        await session.query('insert into t values (1), (1)')
        // The constraint is checked by COMMIT itself: the error comes first, the idle status behind
        // it.
        assert.equal(await session.statusAfter('commit'), 'idle')
        await session.query('begin')
        // Bytes after an ErrorResponse arrive in another packet.
        test.line.bandwidth(2_000, 'to-client')
        assert.equal(await session.statusAfter('select 1/0'), 'failed')
        test.line.bandwidth(Number.POSITIVE_INFINITY, 'to-client')
        await session.query('rollback')
      }),
    },
    {
      title:
        'the status is unknown and the statement counted while it is in flight, and both are settled in done',
      run: onSession(async ({ connection }) => {
        assert.equal(connection.inFlight, 0)
        const found = await new Promise<unknown[]>((resolve) => {
          const before: unknown[] = []
          connection.run({ text: 'begin' }, () =>
            resolve([...before, connection.inFlight, connection.transactionStatus()]),
          )
          before.push(connection.inFlight, connection.transactionStatus())
        })
        assert.deepEqual(found, [1, 'unknown', 0, 'active'])
      }),
    },
    {
      title: 'statements that are run together are answered in order',
      run: onSession(async ({ connection, query }) => {
        const order: number[] = []
        const all = [1, 2, 3].map((n) =>
          query(`select pg_sleep(${n === 1 ? 0.03 : 0})`).then(() => order.push(n)),
        )
        assert.equal(connection.inFlight, 3)
        await Promise.all(all)
        assert.deepEqual(order, [1, 2, 3])
        assert.equal(connection.inFlight, 0)
      }),
    },
    {
      title: 'an error fails its own statement only, not those run together with it',
      run: onSession(async ({ query }) => {
        const outcomes = await Promise.allSettled([
          query('select 1 as n'),
          query('select 1/0 as n'),
          query('select $1::int as n', [3]),
          query('selec'),
          query('select 5 as n'),
        ])
        assert.deepEqual(
          outcomes.map((outcome) =>
            outcome.status === 'fulfilled' ? outcome.value.rows[0]!['n'] : outcome.reason.code,
          ),
          [1, '22012', 3, '42601', 5],
        )
      }),
    },
    {
      title: 'a statement that done runs comes behind those that wait already',
      run: onSession(async ({ connection }) => {
        const order: string[] = []
        await new Promise<void>((resolve) => {
          connection.run({ text: 'select 1' }, () => {
            order.push('first')
            connection.run({ text: 'select 3' }, () => {
              order.push('from done')
              resolve()
            })
          })
          connection.run({ text: 'select 2' }, () => order.push('second'))
        })
        assert.deepEqual(order, ['first', 'second', 'from done'])
      }),
    },
    {
      title: 'notices reach the listener and no result',
      run: onSession(async (session) => {
        const text = `do $$ begin
          raise notice 'one'; raise warning 'two' using errcode = '01004';
        end $$`
        assert.equal((await session.query(text)).command, 'DO')
        assert.deepEqual(session.heard.notices, [
          { severity: 'NOTICE', code: '00000', message: 'one', routine: 'exec_stmt_raise' },
          { severity: 'WARNING', code: '01004', message: 'two', routine: 'exec_stmt_raise' },
        ])
      }),
    },
    {
      title: 'a parameter that changes is told and kept in info before the statement settles',
      run: onSession(async (session, test) => {
        const { info } = session.connection
        assert.equal(info.parameters.get('application_name'), test.applicationName)
        await session.query(`set application_name = 'other'`)
        assert.equal(info.parameters.get('application_name'), 'other')
        assert.deepEqual(session.heard.parameters, [['application_name', 'other']])
      }),
    },
    {
      title:
        'the time of the last byte advances with every answer and stands still while nothing comes',
      run: onSession(async (session) => {
        const sentAt = performance.now()
        const call = session.query('select pg_sleep(0.05)')
        await new Promise((resolve) => setTimeout(resolve, 20))
        assert.ok(session.connection.lastByteAt <= sentAt + 1)
        await call
        assert.ok(session.connection.lastByteAt >= sentAt + 48)
        assert.ok(session.connection.lastByteAt <= performance.now())
      }),
    },
    {
      title: 'a ping is one round trip that works in every transaction status and changes none',
      run: onSession(async (session) => {
        await session.connection.ping()
        assert.equal(session.connection.transactionStatus(), 'idle')
        await session.query('begin')
        await session.connection.ping()
        assert.equal(session.connection.transactionStatus(), 'active')
        await failureOf(session.query('select 1/0'))
        await session.connection.ping()
        assert.equal(session.connection.transactionStatus(), 'failed')
      }),
    },
    {
      title: 'F60: a session keeps the process alive after ref and not after unref',
      run: onSession(async ({ connection }) => {
        const alive = (): number =>
          process
            .getActiveResourcesInfo()
            .filter((kind) => kind === 'TCPSocketWrap' || kind === 'TLSWrap').length
        connection.ref()
        const with_ = alive()
        connection.unref()
        await until(() => alive() === with_ - 1, 'the socket to let go', 1_000)
        await connection.ping()
        connection.ref()
        await until(() => alive() === with_, 'the socket to hold on', 1_000)
      }),
    },
  ],
}
