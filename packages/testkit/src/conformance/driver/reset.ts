import assert from 'node:assert/strict'
import { failureOf } from '../run/expectations.js'
import { SESSION_CHANGES, SESSION_STATE } from '../session/session-changes.js'
import type { TestSession } from '../session/test-session.js'
import { type DriverArea, type DriverContext, onSession } from './driver-context.js'

const stateOf = async ({ query }: TestSession): Promise<unknown> =>
  (await query(SESSION_STATE)).rows[0]

const CHANGES: typeof SESSION_CHANGES = [
  ...SESSION_CHANGES,
  ['a temporary sequence', 'create temp sequence scratch'],
  ['a shared advisory lock', 'select pg_advisory_lock_shared(42)'],
  [
    'several of them inside a transaction that was left open',
    'begin',
    `set work_mem = '64MB'`,
    'set role pg_monitor',
    'declare c cursor for select 1',
    'select pg_advisory_lock(42)',
  ],
]

/** Bringing a session back to a known state. */
export const reset: DriverArea = {
  area: 'reset',
  cases: [
    ...CHANGES.map(([what, ...texts]) => ({
      title: `X01: a reset of the session undoes ${what}`,
      async run(test: DriverContext) {
        await test.server.sql(`grant pg_monitor to ${test.server.user}`)
        const session = await test.connect({ parameters: { work_mem: '9MB' } })
        const fresh = await stateOf(session)
        for (const text of texts) await session.query(text)
        assert.notDeepEqual(await stateOf(session), fresh)
        await session.connection.reset('session')
        assert.equal(session.connection.transactionStatus(), 'idle')
        assert.deepEqual(await stateOf(session), fresh)
      },
    })),
    {
      title: 'X01: a reset of the session undoes what a sequence has given, and its cache',
      run: onSession(async (session) => {
        await session.query('create temp sequence s')
        await session.query(`select nextval('s')`)
        await session.query('select lastval()')
        await session.connection.reset('session')
        await failureOf(session.query('select lastval()'), { code: '55000' })
      }),
    },
    {
      title: 'X02: a rollback ends an open and a failed transaction and touches nothing else',
      run: onSession(async (session, test) => {
        const table = await test.table('n int')
        await session.query(`set application_name = 'kept'`)
        for (const last of ['select 1', 'select 1/0']) {
          await session.query('begin')
          await session.query(`insert into ${table} values (1)`)
          await session.query(last).catch(() => {})
          await session.connection.reset('rollback')
          assert.equal(session.connection.transactionStatus(), 'idle')
        }
        const { rows } = await session.query(
          `select current_setting('application_name') as name, count(*)::int as n from ${table}`,
        )
        assert.deepEqual(rows, [{ name: 'kept', n: 0 }])
      }),
    },
    {
      title: 'X02: a reset of a session in a failed transaction rolls it back',
      run: onSession(async (session) => {
        await session.query('begin')
        await failureOf(session.query('select 1/0'))
        await session.connection.reset('session')
        assert.equal(session.connection.transactionStatus(), 'idle')
        assert.deepEqual((await session.query('select 1 as n')).rows, [{ n: 1 }])
      }),
    },
    {
      title: 'X02: a reset with nothing to undo does nothing and says nothing',
      run: onSession(async (session) => {
        await session.connection.reset('rollback')
        await session.connection.reset('session')
        assert.equal(session.connection.transactionStatus(), 'idle')
        assert.deepEqual(session.heard.notices, [])
      }),
    },
    {
      title: 'a reset rejects when the session is gone, and when it goes meanwhile',
      run: onSession(async (session) => {
        const under = failureOf(session.connection.reset('session'), {
          name: 'ConnectionLostError',
        })
        session.connection.destroy('gone')
        await under
        await failureOf(session.connection.reset('session'), { executed: 'no' })
        await failureOf(session.connection.reset('rollback'), { executed: 'no' })
        await failureOf(session.connection.ping(), { executed: 'no' })
      }),
    },
  ],
}
