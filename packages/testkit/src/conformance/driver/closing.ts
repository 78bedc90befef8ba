import assert from 'node:assert/strict'
import type { ConnectionLostError } from '@poolhouse/core'
import { failureOf, LOST, TOO_LATE } from '../run/expectations.js'
import { assertTook, turns, until, within } from '../run/waiting.js'
import { type DriverArea, type DriverContext, onSession } from './driver-context.js'

const SLEEP = 'select pg_sleep(20)'

/**
 * Destroys a session in the tick of a statement, or a turn later, and compares what it was told
 * with what was done.
 */
async function destroyAtOnce(test: DriverContext, table: string, n: number): Promise<void> {
  const session = await test.connect()
  const values = n % 2 === 0 ? undefined : [n]
  const text = `insert into ${table} values (${values ? '$1' : n})`
  const call = failureOf<ConnectionLostError>(session.query(text, values), {
    ...LOST,
    executed: /^(no|unknown)$/,
  })
  if (n % 4 > 1) await turns(1)
  session.connection.destroy('at once')
  const { executed } = await call
  await test.untilGone(session)
  const rows = await test.server.sql(`select from ${table} where n = $1`, [n])
  if (executed === 'no') assert.equal(rows.length, 0)
}

/** Ending a session. */
export const closing: DriverArea = {
  area: 'closing',
  cases: [
    {
      title:
        'close says good-bye, may be called again and again, and resolves when the socket is closed',
      run: onSession(async (session, test) => {
        const { connection } = session
        await Promise.all([connection.close(5_000), connection.close(5_000)])
        assert.equal(session.heard.closed.length, 1)
        await until(() => test.line.connections === 0, 'the socket to be closed', 500)
        await connection.close(5_000)
        connection.destroy('late')
        await turns(3)
        assert.equal(session.heard.closed.length, 1)
        await test.untilGone(session)
      }),
    },
    {
      title: 'close lets the statement that runs finish, and those behind it are not executed',
      async run(test) {
        const table = await test.table('n int')
        const session = await test.connect()
        const running = session.query(`select 1 as n, pg_sleep(0.1)`)
        const behind = session.query(`insert into ${table} values (1)`).then(
          () => 'executed',
          (error: { executed: string }) => error.executed,
        )
        await session.connection.close(5_000)
        assert.equal((await running).rows[0]?.['n'], 1)
        const { n } = (
          await test.server.sql<{ n: number }>(`select count(*)::int as n from ${table}`)
        )[0]!
        // A driver that pipelines has sent it: then it must say what came of it.
        assert.equal(await behind, n === 1 ? 'executed' : 'no')
      },
    },
    {
      title: 'F57: close breaks a session that does not end within its deadline',
      run: onSession(async (session, test) => {
        const running = failureOf(session.query(SLEEP), LOST)
        await test.untilRunning(session, SLEEP)
        const startedAt = performance.now()
        await session.connection.close(80)
        assertTook(startedAt, 80)
        await running
        assert.equal(session.heard.closed.length, 1)
      }),
    },
    {
      title: 'F03: close of an idle session whose server hangs ends at its deadline',
      run: onSession(async (session, test) => {
        test.line.blackHole()
        const startedAt = performance.now()
        await session.connection.close(80)
        assertTook(startedAt, 0)
        assert.equal(session.heard.closed.length, 1)
        await until(() => test.line.connections === 0, 'the socket to be closed', 500)
      }),
    },
    {
      title:
        'destroy is done when it returns, settles what is in flight in a later tick, and is told once with its reason',
      run: onSession(async (session, test) => {
        const { connection } = session
        const events: string[] = []
        const reason = new Error('enough')
        const running = failureOf(session.query(SLEEP), { ...LOST, cause: reason })
        const settled = running.finally(() => events.push('settled'))
        await test.untilRunning(session, SLEEP)
        connection.destroy(reason)
        connection.destroy(new Error('more than enough'))
        events.push('returned')
        await settled
        await session.heard.over
        assert.deepEqual(events, ['returned', 'settled'])
        assert.deepEqual(session.heard.closed, [reason])
        assert.equal(connection.inFlight, 0)
        assert.equal(connection.transactionStatus(), 'unknown')
        connection.destroy(undefined)
        await connection.close(1_000)
        await turns(3)
        assert.equal(session.heard.closed.length, 1)
      }),
    },
    {
      title: 'destroy fails what was not sent with executed "no"',
      run: onSession(async (session) => {
        session.connection.destroy('gone')
        await failureOf(session.query('select 1'), { ...TOO_LATE, retryable: true })
        await failureOf(session.query('select $1::int', [1]), { executed: 'no' })
        await failureOf(session.query({ text: 'select 1', name: 'late' }), { executed: 'no' })
        await session.heard.over
      }),
    },
    {
      title:
        'a statement that is destroyed in the tick of its call says truly whether it may have been executed',
      async run(test) {
        const table = await test.table('n int')
        await Promise.all(Array.from({ length: 8 }, (_, n) => destroyAtOnce(test, table, n)))
      },
    },
    {
      title:
        'destroy from inside done, and close from inside done, end the session and nothing else',
      async run(test) {
        for (const end of ['destroy', 'close'] as const) {
          const session = await test.connect()
          await new Promise<void>((resolve) => {
            session.connection.run({ text: 'select 1' }, () => {
              if (end === 'destroy') session.connection.destroy('from done')
              else void session.connection.close(1_000)
              resolve()
            })
          })
          await within(session.heard.over, 2_000, 'the end of the session')
          assert.equal(session.heard.closed.length, 1)
        }
      },
    },
    {
      title: 'F21: opening and closing many sessions leaves no socket and no listener behind',
      async run(test) {
        for (let round = 0; round < test.rounds(10); round++) {
          const opened = await Promise.all(Array.from({ length: 10 }, () => test.connect()))
          await Promise.all(
            opened.map(({ connection, query }, index) =>
              index % 2 === 0
                ? query('select 1').then(() => connection.close(2_000))
                : connection.destroy('round over'),
            ),
          )
        }
        await until(() => test.line.connections === 0, 'the sockets to be closed', 1_000)
      },
    },
  ],
}
