import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Executed } from '@poolhouse/core'
import { isPoolhouseError } from '@poolhouse/core'
import type { DriverArea, DriverContext } from '../driver-context.js'
import type { TestSession } from '../test-session.js'
import { within } from '../waiting.js'

/** A piece of work that leaves a row with this number when it succeeds. */
type Work = (session: TestSession, table: string, id: number) => Promise<unknown>

const WORKS: readonly [what: string, work: Work][] = [
  ['a statement', ({ query }, table, id) => query(`insert into ${table} values (${id})`)],
  ['values', ({ query }, table, id) => query(`insert into ${table} values ($1)`, [id])],
  [
    'a named statement',
    ({ query }, table, id) =>
      query({ text: `insert into ${table} values ($1)`, name: 'insert', values: [id] }),
  ],
  [
    'a large result',
    ({ query }, table, id) =>
      query(
        `with i as (insert into ${table} values ($1)) select repeat('x', 500) from generate_series(1, 2000)`,
        [id],
      ),
  ],
  [
    'a cursor',
    async ({ connection }, table, id) => {
      const text = `with i as (insert into ${table} values ($1)) select repeat('x', 500) from generate_series(1, 500)`
      const cursor = connection.openCursor({ text, values: [id] })
      while (!(await cursor.read(40)).end);
    },
  ],
  [
    'COPY from the client',
    async ({ connection }, table, id) => {
      const copy = await connection.copyIn(`copy ${table} from stdin`)
      for (const digit of String(id)) await copy.write(Buffer.from(digit))
      await copy.finish()
    },
  ],
]

async function present(test: DriverContext, table: string, id: number): Promise<boolean> {
  return (await test.server.sql(`select from ${table} where id = $1`, [id])).length === 1
}

/** What must be true of a row, by what the caller was told. */
function isTrue(executed: Executed, there: boolean): boolean {
  switch (executed) {
    case 'unknown':
      return true
    case 'yes':
      return there
    case 'no':
    case 'rolled-back':
      return !there
  }
}

/** Losing the server at moments that nobody has chosen. */
export const chaos: DriverArea = {
  area: 'chaos',
  cases: [
    {
      title:
        'F09: whatever a session does when an administrator ends it, it settles, and what is told of its outcome is true',
      seeded: true,
      timeoutMs: 30_000,
      async run(test) {
        const table = await test.table('id int primary key')
        for (let round = 0; round < 48; round++) {
          const [what, work] = WORKS[round % WORKS.length]!
          const session = await test.connect()
          const running = work(session, table, round).then(
            () => 'yes' as const,
            (error: unknown) => {
              assert.ok(isPoolhouseError(error), `${what}: ${String(error)}`)
              return error.executed
            },
          )
          await sleep(test.random() * 6)
          await test.terminate(session)
          const executed = await within(running, 3_000, what)
          await within(session.heard.over, 3_000, 'the end of the session')
          const there = await present(test, table, round)
          assert.ok(isTrue(executed, there), `${what}: told "${executed}", and the row is ${there}`)
        }
      },
    },
    {
      title:
        'F13: whatever a session does when the network resets it, it settles, and what is told of its outcome is true',
      seeded: true,
      timeoutMs: 30_000,
      async run(test) {
        const table = await test.table('id int primary key')
        const sessions = await Promise.all(WORKS.map(() => test.connect()))
        for (let round = 0; round < 8; round++) {
          const ids = WORKS.map((_, index) => round * WORKS.length + index)
          const outcomes = WORKS.map(([, work], index) =>
            work(sessions[index]!, table, ids[index]!).then(
              () => 'yes' as const,
              (error: { executed: Executed }) => error.executed,
            ),
          )
          await sleep(test.random() * 8)
          test.line.reset()
          const told = await within(Promise.all(outcomes), 3_000, 'the work')
          for (const { heard } of sessions) await within(heard.over, 3_000, 'the end of a session')
          // The server may still be busy with what it has received.
          const fresh = await Promise.all(WORKS.map(() => test.connect()))
          for (const [index, executed] of told.entries()) {
            const there = await present(test, table, ids[index]!)
            const what = WORKS[index]![0]
            assert.ok(isTrue(executed, there), `${what}: told "${executed}", the row is ${there}`)
          }
          sessions.splice(0, sessions.length, ...fresh)
        }
      },
    },
  ],
}
