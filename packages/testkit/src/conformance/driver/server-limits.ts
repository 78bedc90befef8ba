import assert from 'node:assert/strict'
import { assertHas, failureOf, LOST, TOO_LATE } from '../run/expectations.js'
import { within } from '../run/waiting.js'
import { type DriverArea, onSession } from './driver-context.js'

/** Statements and sessions that the server ends. */
export const serverLimits: DriverArea = {
  area: 'limits of the server',
  cases: [
    {
      title: 'F37: a statement timeout fails the statement and keeps the session',
      run: onSession(async (session) => {
        await session.query('set statement_timeout = 40')
        await failureOf(session.query('select pg_sleep(20)'), {
          name: 'DatabaseError',
          code: '57014',
          severity: 'ERROR',
          executed: 'rolled-back',
        })
        await session.query('begin')
        await failureOf(session.query('select pg_sleep($1)', [20]), { code: '57014' })
        assert.equal(session.connection.transactionStatus(), 'failed')
        await session.query('rollback')
        assert.deepEqual(session.heard.closed, [])
      }),
    },
    {
      title:
        'F38: a lock timeout and a deadlock fail the statement, are retryable, and keep the session',
      async run(test) {
        // Only a superuser may set it, and before PostgreSQL 15 that right cannot be granted.
        await test.server.sql(
          `create or replace function conformance_deadlock_timeout(value text) returns text language sql security definer
             as $$ select set_config('deadlock_timeout', value, false) $$`,
        )
        const table = await test.table('id int primary key, n int')
        const [one, two] = [await test.connect(), await test.connect()]
        await one.query(`insert into ${table} values (1, 0), (2, 0)`)
        const update = (id: number): string => `update ${table} set n = n + 1 where id = ${id}`
        await one.query('begin')
        await one.query(update(1))
        await two.query(`set lock_timeout = 40`)
        await failureOf(two.query(update(1)), { code: '55P03', retryable: true })
        await two.query(`reset lock_timeout; select conformance_deadlock_timeout('20'); begin`)
        await one.query(`select conformance_deadlock_timeout('5000')`)
        await two.query(update(2))
        const blocked = one.query(update(2))
        await test.untilRunning(one, update(2))
        await failureOf(two.query(update(1)), {
          code: '40P01',
          retryable: true,
          executed: 'rolled-back',
        })
        assert.equal(two.connection.transactionStatus(), 'failed')
        await two.query('rollback')
        await blocked
        await one.query('commit')
      },
    },
    {
      title:
        'F36, F39: a session that the server ends for idling is over with its SQLSTATE, and nothing was executed after it',
      async run(test) {
        const endings = [
          ['25P03', 'idle_in_transaction_session_timeout', 'begin'],
          ['57P05', 'idle_session_timeout', 'select 1'],
        ] as const
        for (const [code, setting, last] of endings) {
          const session = await test.connect({ parameters: { [setting]: '300' } })
          await session.query(last)
          assertHas(await within(session.heard.over, 3_000, 'the end of the session'), {
            name: 'DatabaseError',
            code,
            severity: 'FATAL',
          })
          await failureOf(session.query('select 1'), {
            ...TOO_LATE,
            sqlState: code,
            retryable: true,
          })
          assert.equal(session.connection.transactionStatus(), 'unknown')
        }
      },
    },
    {
      title:
        'F39: a transaction that the server ends for its length leaves the statement unknown, with its SQLSTATE',
      run: onSession(async (session) => {
        const version = Number.parseInt(
          session.connection.info.parameters.get('server_version')!,
          10,
        )
        // The setting came with PostgreSQL 17.
        if (version < 17) return
        await session.query('set transaction_timeout = 60')
        await session.query('begin')
        await failureOf(session.query('select pg_sleep(20)'), {
          ...LOST,
          sqlState: '25P04',
          retryable: false,
        })
        assertHas(await session.heard.over, { code: '25P04' })
      }),
    },
    {
      title:
        'S11: FATAL and PANIC in mid-statement end the session, the outcome is unknown, and the last words are kept',
      async run(test) {
        for (const [severity, code] of [
          ['FATAL', '57P01'],
          ['PANIC', '57P02'],
          ['FATAL', 'XX000'],
        ] as const) {
          const server = await test.wire({
            onStatement: (text) =>
              text === 'last' ? { error: { severity, code, message: 'good-bye' } } : undefined,
          })
          const session = await test.connect(test.wireLogin(server))
          await failureOf(session.query('last'), {
            ...LOST,
            sqlState: code,
            message: /good-bye/,
            cause: { code },
          })
          assertHas(await session.heard.over, { code, severity })
        }
      },
    },
  ],
}
