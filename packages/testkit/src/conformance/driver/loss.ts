import assert from 'node:assert/strict'
import { ConnectionLostError, DatabaseError, type Statement } from '@poolhouse/core'
import { assertHas, failureOf, LOST, TOO_LATE } from '../run/expectations.js'
import { turns, until, within } from '../run/waiting.js'
import { type DriverArea, type DriverContext, onSession } from './driver-context.js'

const SLEEP = 'select pg_sleep(20)'

/** Statements of every kind. */
const KINDS: readonly [what: string, statement: Statement][] = [
  [
    'a statement without values',
    { text: `select n, repeat('x', 9) as t from generate_series(1, 9) n` },
  ],
  ['a statement with values', { text: 'select $1::int as n, $2::text as t', values: [1, 'x'] }],
  ['a named statement', { text: 'select $1::int as n', values: [1], name: 'one' }],
  ['a text of several statements', { text: 'begin; select 1 as n; commit' }],
  ['the empty query', { text: '' }],
]

/** How the network ends a connection. */
const CUTS = [
  ['a reset by the network', 'reset'],
  ['a FIN without a word', 'cut'],
] as const

/** How many bytes the server answers a statement with. */
async function lengthOfAnswer(test: DriverContext, statement: Statement): Promise<number> {
  const { relay, session } = await test.relayed()
  const before = relay.received
  await session.query(statement).catch(() => {})
  return relay.received - before
}

/** Runs a statement whose server is lost after so many bytes of the answer. */
async function loseAfter(test: DriverContext, statement: Statement, bytes: number): Promise<void> {
  const { relay, session } = await test.relayed()
  relay.cutAfter(bytes, bytes % 2 === 0 ? 'fin' : 'rst')
  await failureOf(session.query(statement), LOST)
  await within(session.heard.over, 3_000, 'the end of the session')
  assert.equal(session.heard.closed.length, 1)
}

/** Losing the server. */
export const loss: DriverArea = {
  area: 'loss',
  cases: [
    {
      title:
        'F09: a session that an administrator ends while it is idle is over once, with the last words of the server',
      run: onSession(async (session, test) => {
        await test.terminate(session)
        const reason = await within(session.heard.over, 3_000, 'the end of the session')
        assert.ok(reason instanceof DatabaseError)
        assertHas(reason, { code: '57P01', severity: 'FATAL' })
        session.connection.destroy('too late')
        await failureOf(session.query('select 1'), {
          ...TOO_LATE,
          sqlState: '57P01',
          retryable: true,
        })
        await turns(3)
        assert.equal(session.heard.closed.length, 1)
        assert.equal(session.connection.transactionStatus(), 'unknown')
        assert.equal(session.connection.inFlight, 0)
      }),
    },
    {
      title: 'F09: a session that is ended in mid-statement leaves it unknown, with the SQLSTATE',
      async run(test) {
        for (const statement of [{ text: SLEEP }, { text: 'select pg_sleep($1)', values: [20] }]) {
          const session = await test.connect()
          const running = failureOf(session.query(statement), {
            ...LOST,
            retryable: false,
            sqlState: '57P01',
            cause: { code: '57P01', routine: 'ProcessInterrupts' },
          })
          await test.untilRunning(session, statement.text)
          await test.terminate(session)
          await within(running, 3_000, 'the statement')
          assertHas(await session.heard.over, { code: '57P01' })
          assert.equal(session.connection.inFlight, 0)
        }
      },
    },
    {
      title:
        'F09: what waits behind a statement in mid-flight is lost with it, and told whether it was sent',
      async run(test) {
        const table = await test.table('n int')
        const session = await test.connect()
        const running = failureOf(session.query(SLEEP), LOST)
        const insert = session.query(`insert into ${table} values (1)`)
        const behind = failureOf(insert, { ...LOST, executed: /^(no|unknown)$/ })
        await test.untilRunning(session, SLEEP)
        await test.terminate(session)
        await running
        await behind
        assert.deepEqual(await test.server.sql(`select n from ${table}`), [])
      },
    },
    {
      title:
        'S80: a session that is ended inside a transaction is over, and what comes after is not executed',
      async run(test) {
        const table = await test.table('n int')
        const session = await test.connect()
        await session.query('begin')
        await session.query(`insert into ${table} values (1)`)
        await test.terminate(session)
        await session.heard.over
        await failureOf(session.query(`insert into ${table} values (2)`), { executed: 'no' })
        await failureOf(session.query('commit'), TOO_LATE)
        assert.deepEqual(await test.server.sql(`select n from ${table}`), [])
      },
    },
    ...CUTS.map(([what, cut]) => ({
      title: `F13: ${what} ends an idle session and one in mid-statement`,
      async run(test: DriverContext) {
        const [idle, busy] = [await test.connect(), await test.connect()]
        const running = failureOf(busy.query(SLEEP), LOST)
        await test.untilRunning(busy, SLEEP)
        test.line[cut]()
        await running
        for (const { heard } of [idle, busy]) {
          const reason = await within(heard.over, 3_000, 'the end of the session')
          assert.ok(reason instanceof ConnectionLostError)
          assert.equal(heard.closed.length, 1)
        }
        await failureOf(idle.query('select 1'), TOO_LATE)
      },
    })),
    ...KINDS.map(([what, statement]) => ({
      title: `F18: a server that is lost after any byte of the answer to ${what} leaves it unknown`,
      async run(test: DriverContext) {
        const length = await lengthOfAnswer(test, statement)
        assert.ok(length > 5)
        const step = Math.max(1, Math.floor(length / 16))
        // The last bytes are ReadyForQuery: with all of them but one the statement is not over.
        const places = [0, 1, 5, 6, ...Array.from({ length: 16 }, (_, n) => n * step), length - 6]
        const bytes = new Set([...places, length - 1].filter((n) => n >= 0 && n < length))
        await Promise.all([...bytes].map((count) => loseAfter(test, statement, count)))
      },
    })),
    {
      title:
        'F18: a statement that the server has refused before it was lost is refused, not unknown',
      async run(test) {
        const statement = { text: 'select 1/0' }
        const length = await lengthOfAnswer(test, statement)
        const { relay, session } = await test.relayed()
        // Everything but ReadyForQuery.
        relay.cutAfter(length - 6)
        await failureOf(session.query(statement), {
          name: 'DatabaseError',
          code: '22012',
          executed: 'rolled-back',
        })
        await within(session.heard.over, 3_000, 'the end of the session')
      },
    },
    {
      title: 'F40: a COMMIT whose answer is lost is unknown, though it was done',
      async run(test) {
        const table = await test.table('n int')
        for (const ending of ['reset', 'cut'] as const) {
          const session = await test.connect()
          await session.query('begin')
          await session.query(`insert into ${table} values (1)`)
          // biome-ignore lint/suspicious/noThenProperty: the option's name
          test.line.dropCommitAnswer({ then: ending })
          await failureOf(session.query('commit'), {
            ...LOST,
            retryable: false,
          })
        }
        assert.deepEqual(await test.server.sql(`select n from ${table}`), [{ n: 1 }, { n: 1 }])
      },
    },
    {
      title:
        'F41: a COMMIT whose answer never comes is unknown as soon as the session is destroyed',
      run: onSession(async (session, test) => {
        await session.query('begin')
        // biome-ignore lint/suspicious/noThenProperty: the option's name
        test.line.dropCommitAnswer({ then: 'hang' })
        const call = failureOf(session.query('commit'), LOST)
        await new Promise((resolve) => setTimeout(resolve, 50))
        assert.equal(session.connection.transactionStatus(), 'unknown')
        session.connection.destroy('its deadline has passed')
        await call
      }),
    },
    {
      title:
        'F15, F18: while nothing comes a statement is in flight, and the time of the last byte stands still',
      run: onSession(async (session, test) => {
        test.line.dropAnswers()
        const call = failureOf(session.query('select 1'), LOST)
        await new Promise((resolve) => setTimeout(resolve, 60))
        assert.equal(session.connection.inFlight, 1)
        assert.ok(performance.now() - session.connection.lastByteAt >= 58)
        session.connection.destroy('silent for too long')
        await call
      }),
    },
    {
      title: 'S60: nothing that a session says after it was destroyed is heard',
      async run(test) {
        const server = await test.wire({
          onStatement: (text) => (text === 'late' ? { delayMs: 40 } : undefined),
        })
        const session = await test.connect(test.wireLogin(server))
        const call = failureOf(session.query('late'), LOST)
        await until(() => server.statements.some(({ text }) => text === 'late'), 'the statement')
        session.connection.destroy('not believed any more')
        await call
        await session.heard.over
        await new Promise((resolve) => setTimeout(resolve, 60))
        assert.equal(session.heard.closed.length, 1)
      },
    },
    {
      title: 'a malformed message ends the session and not the process',
      async run(test) {
        for (const garbage of [
          Buffer.from([0x54, 0, 0, 0, 6, 0x7f, 0xff]),
          Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'),
        ]) {
          const { relay, session } = await test.relayed()
          const call = failureOf(session.query(SLEEP))
          await test.untilRunning(session, SLEEP)
          relay.inject(garbage)
          const error = await within(call, 100, 'the statement').catch(() => undefined)
          // A length of a billion bytes looks like the start of a long message: that is for
          // deadlines to end.
          if (error === undefined) session.connection.destroy('silent for too long')
          else assertHas(error, LOST)
          await session.heard.over
          await call
        }
      },
    },
  ],
}
