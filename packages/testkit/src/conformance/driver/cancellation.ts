import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { PoolhouseError } from '@poolhouse/core'
import { assertHas, failureOf } from '../run/expectations.js'
import { assertTook, within } from '../run/waiting.js'
import { type DriverArea, onSession } from './driver-context.js'

const SLEEP = 'select pg_sleep(20)'

/** Asking the server to stop a statement, and hitting no other. */
export const cancellation: DriverArea = {
  area: 'cancellation',
  cases: [
    {
      title:
        'F54: cancel ends the statement that runs with 57014, over a connection to the same server, and the session goes on',
      run: onSession(async (session, test) => {
        const other = await test.connect()
        const [running, bystander] = [session.query(SLEEP), other.query('select pg_sleep(0.3)')]
        const outcome = failureOf(running, {
          name: 'DatabaseError',
          code: '57014',
          executed: 'rolled-back',
        })
        await test.untilRunning(session, SLEEP)
        const before = test.line.accepted
        await session.connection.cancel(5_000)
        assert.equal(test.line.accepted, before + 1)
        await bystander
        await within(outcome, 3_000, 'the cancelled statement')
        assert.equal(session.connection.transactionStatus(), 'idle')
        assert.deepEqual((await session.query('select 1 as n')).rows, [{ n: 1 }])
      }),
    },
    {
      title: 'F54: a statement that is cancelled inside a transaction leaves it failed, not gone',
      run: onSession(async (session, test) => {
        await session.query('begin')
        const text = 'select pg_sleep($1::int)'
        const outcome = failureOf(session.query(text, [20]), { code: '57014' })
        await test.untilRunning(session, text)
        await session.connection.cancel(5_000)
        await outcome
        assert.equal(session.connection.transactionStatus(), 'failed')
        await session.query('rollback')
      }),
    },
    {
      title:
        'X15: cancel settles only when the server has closed the connection that carried the request',
      async run(test) {
        const server = await test.wire({
          onStatement: (text) => (text === 'slow' ? { delayMs: 5_000 } : undefined),
          onCancel: () => ({ delayMs: 120 }),
        })
        const session = await test.connect(test.wireLogin(server))
        const running = session.query('slow').catch(() => {})
        const startedAt = performance.now()
        await session.connection.cancel(5_000)
        const took = performance.now() - startedAt
        assert.ok(took >= 110, `cancel settled after ${took} ms`)
        assert.equal(server.cancels.length, 1)
        assert.equal(server.cancels[0]?.pid, session.connection.info.backendPid)
        session.connection.destroy('seen enough')
        await running
      },
    },
    {
      title: 'X15: cancel while nothing runs does nothing, and never hits the next statement',
      run: onSession(async (session, test) => {
        for (let round = 0; round < test.rounds(60); round++) {
          await session.connection.cancel(5_000)
          assert.deepEqual((await session.query(`select ${round} as n`)).rows, [{ n: round }])
        }
      }),
    },
    {
      title:
        'X15: a statement cancelled at any moment is done or cancelled, and the next one is never hit',
      seeded: true,
      async run(test) {
        const sessions = await Promise.all([1, 2, 3].map(() => test.connect()))
        const race = async ({ connection, query }: (typeof sessions)[0]): Promise<number> => {
          let cancelled = 0
          for (let round = 0; round < test.rounds(30); round++) {
            // Soon enough for certain, and then at any moment up to the end.
            const early = round % 3 === 0
            const call = query(`select pg_sleep(${early ? 2 : 0.025})`).catch((error: unknown) => {
              assertHas(error, { code: '57014' })
              cancelled++
            })
            await sleep(early ? 0 : test.random() * 25)
            await Promise.all([call, connection.cancel(5_000)])
            assert.deepEqual((await query('select $1::int as n', [round])).rows, [{ n: round }])
          }
          return cancelled
        }
        const counts = await Promise.all(sessions.map(race))
        const cancelled = counts.reduce((sum, count) => sum + count, 0)
        assert.ok(cancelled > test.rounds(30) / 3, `only ${cancelled} were cancelled`)
      },
    },
    {
      title:
        'X15: calls aborted near their end on a pool, a thousand with all effort, hit no call but themselves',
      seeded: true,
      timeoutMs: 40_000,
      async run(test) {
        const victims: unknown[] = []
        const calls = test.rounds(125)
        let aborted = 0
        const race = async (): Promise<void> => {
          const pool = test.pool({ max: 1 }, test.nearest)
          for (let round = 0; round < calls; round++) {
            const abort = new AbortController()
            const call = pool
              .query('select pg_sleep(0.002)', [], { signal: abort.signal })
              .catch((error: unknown) => {
                assertHas(error, { name: 'AbortError' })
                aborted++
              })
            await sleep(test.random() * 4)
            abort.abort()
            const next = pool.query('select pg_sleep(0.0005), $1::int as n', [round])
            const answer = await next.catch((error: unknown) => victims.push(error))
            if (typeof answer !== 'number') assertHas(answer.rows[0], { n: round })
            await call
          }
        }
        await Promise.all(Array.from({ length: 8 }, race))
        assert.deepEqual(victims, [])
        // Most were under way when they were aborted, or nothing was tried.
        const all = 8 * calls
        assert.ok(aborted > all / 10, `only ${aborted} of ${all} were aborted`)
      },
    },
    {
      title:
        'F03: a cancel request that is not answered is given up at its deadline, and no socket is left',
      run: onSession(async (session, test) => {
        const running = session.query(SLEEP).catch(() => {})
        await test.untilRunning(session, SLEEP)
        test.line.blackHole()
        const startedAt = performance.now()
        const error = await failureOf(session.connection.cancel(150))
        assert.ok(error instanceof PoolhouseError)
        assertTook(startedAt, 150)
        session.connection.destroy('seen enough')
        await running
      }),
    },
    {
      title: 'F01: a cancel request to a server that is gone fails, and the session is as it was',
      run: onSession(async (session, test) => {
        test.line.refuse()
        await failureOf(session.connection.cancel(1_000), { executed: 'no' })
        assert.deepEqual((await session.query('select 1 as n')).rows, [{ n: 1 }])
      }),
    },
    {
      title: 'cancel of a session that is over settles without a connection',
      run: onSession(async (session, test) => {
        session.connection.destroy('gone')
        await session.heard.over
        const before = test.line.accepted
        await within(
          session.connection.cancel(1_000).catch(() => {}),
          1_000,
          'cancel',
        )
        assert.equal(test.line.accepted, before)
      }),
    },
  ],
}
