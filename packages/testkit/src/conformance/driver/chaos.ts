import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Executed } from '@poolhouse/core'
import { isPoolhouseError } from '@poolhouse/core'
import { within } from '../run/waiting.js'
import type { TestSession } from '../session/test-session.js'
import type { DriverArea, DriverCase, DriverContext } from './driver-context.js'

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

/** How often everything is lost. */
const ROUNDS = 8

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

/** The work of one wave, each on a session of its own, with the ids of the rows it is to leave. */
interface Wave {
  readonly sessions: readonly TestSession[]
  readonly ids: readonly number[]
  /** What each caller is told. */
  readonly told: Promise<Executed[]>
}

/** Begins all works at once; `round` makes their ids. */
async function begin(test: DriverContext, table: string, round: number): Promise<Wave> {
  const sessions = await Promise.all(WORKS.map(() => test.connect()))
  const ids = WORKS.map((_, index) => round * WORKS.length + index)
  const outcomes = WORKS.map(([what, work], index) =>
    work(sessions[index]!, table, ids[index]!).then(
      () => 'yes' as const,
      (error: unknown) => {
        assert.ok(isPoolhouseError(error), `${what}: ${String(error)}`)
        return error.executed
      },
    ),
  )
  return { sessions, ids, told: within(Promise.all(outcomes), 3_000, 'the work') }
}

/** Waits for the end of every session of a wave, and compares what was told with what is there. */
async function check(test: DriverContext, table: string, wave: Wave): Promise<void> {
  const told = await wave.told
  const over = Promise.all(wave.sessions.map(({ heard }) => heard.over))
  await within(over, 3_000, 'the end of the sessions')
  const rows = await test.server.sql<{ id: number }>(`select id from ${table} where id = any($1)`, [
    wave.ids,
  ])
  const present = new Set(rows.map(({ id }) => id))
  for (const [index, executed] of told.entries()) {
    const there = present.has(wave.ids[index]!)
    const what = WORKS[index]![0]
    assert.ok(isTrue(executed, there), `${what}: told "${executed}", and the row is ${there}`)
  }
}

/** Loses the server at random moments, wave after wave. */
function losing(
  lose: (test: DriverContext, sessions: readonly TestSession[]) => Promise<void>,
): Pick<DriverCase, 'seeded' | 'timeoutMs' | 'run'> {
  return {
    seeded: true,
    timeoutMs: 30_000,
    async run(test) {
      const table = await test.table('id int primary key')
      for (let round = 0; round < test.rounds(ROUNDS); round++) {
        const wave = await begin(test, table, round)
        await lose(test, wave.sessions)
        await check(test, table, wave)
      }
    },
  }
}

/** Losing the server at random moments. */
export const chaos: DriverArea = {
  area: 'chaos',
  cases: [
    {
      title:
        'F09: whatever a session does when an administrator ends it, it settles, and what is told of its outcome is true',
      ...losing(async (test, sessions) => {
        const moments = WORKS.map(() => test.random() * 8)
        await Promise.all(
          sessions.map(async (session, index) => {
            await sleep(moments[index])
            await test.terminate(session)
          }),
        )
      }),
    },
    {
      title:
        'F13: whatever a session does when the network resets it, it settles, and what is told of its outcome is true',
      ...losing(async (test) => {
        await sleep(test.random() * 8)
        test.line.reset()
      }),
    },
  ],
}
