import assert from 'node:assert/strict'
import { DatabaseError } from '@poolhouse/core'
import { assertHas, failureOf, type Properties } from '../run/expectations.js'
import { type DriverArea, onSession } from './driver-context.js'

/**
 * Statements that fail, and what the error says beside `DatabaseError`, `ERROR` and `rolled-back`.
 */
const FAILURES: readonly [what: string, text: string, expected: Properties][] = [
  ['division by zero', 'select 1/0', { code: '22012', message: 'division by zero' }],
  ['a syntax error with its place', 'select 1 frm t', { code: '42601', position: 14 }],
  ['an unknown table with its place', 'select * from nowhere', { code: '42P01', position: 15 }],
  ['an unknown function with a hint', 'select nothing(1)', { code: '42883', hint: /./ }],
  [
    'a place counted in characters and not in bytes',
    `select '🐘é' as a, nothing`,
    { code: '42703', position: 19 },
  ],
  [
    'a unique violation with table, constraint and detail',
    'insert into pg_temp.t values (1, 1)',
    {
      code: '23505',
      table: 't',
      constraint: 't_pkey',
      schema: /^pg_temp/,
      detail: 'Key (id)=(1) already exists.',
    },
  ],
  [
    'a missing value with its column',
    'insert into pg_temp.t values (2, null)',
    { code: '23502', table: 't', column: 'n', schema: /^pg_temp/ },
  ],
  [
    'a check violation',
    'insert into pg_temp.t values (3, 11)',
    { code: '23514', table: 't', constraint: 'small' },
  ],
  [
    'a domain violation with its data type',
    `select '-1'::pg_temp.positive`,
    { code: '23514', dataType: 'positive', constraint: 'above' },
  ],
  [
    'an error raised inside a function with the stack of the server',
    `do $$ begin raise exception 'no stock' using
       errcode = 'P0007', detail = 'shelf 3', hint = 'order more', table = 'goods', column = 'n' ; end $$`,
    {
      code: 'P0007',
      message: 'no stock',
      detail: 'shelf 3',
      hint: 'order more',
      where: /PL\/pgSQL/,
      table: 'goods',
      column: 'n',
    },
  ],
]

/** Errors of the server, in one shape. */
export const errors: DriverArea = {
  area: 'errors',
  cases: [
    {
      title:
        'S12: an error of the server is a DatabaseError with every field the server sent, and the session goes on',
      run: onSession(async (session) => {
        await session.query(`create temp table t
          (id int primary key, n int not null constraint small check (n < 10))`)
        await session.query('insert into t values (1, 1)')
        await session.query(
          `create domain pg_temp.positive as int constraint above check (value > 0)`,
        )
        for (const [what, text, expected] of FAILURES) {
          const error = await failureOf<DatabaseError>(session.query(text))
          assert.ok(error instanceof DatabaseError, what)
          const always = { name: 'DatabaseError', severity: 'ERROR', executed: 'rolled-back' }
          assertHas(error, { ...always, ...expected }, what)
          assert.deepEqual((await session.query('select 1 as n')).rows, [{ n: 1 }])
        }
      }),
    },
    {
      title: 'fields that the server did not send are undefined',
      run: onSession(async (session) => {
        const error = await failureOf(session.query('select 1/0'))
        const absent = ['detail', 'hint', 'position', 'where', 'schema', 'table', 'column']
        for (const name of [...absent, 'dataType', 'constraint']) {
          assertHas(error, { [name]: undefined })
        }
      }),
    },
    {
      title: `the driver's own error is the cause and has the name of the server's routine`,
      run: onSession(async (session) => {
        const error = await failureOf(session.query('select 1/0'))
        assert.ok(error.cause instanceof Error)
        assertHas(error.cause, { code: '22012', routine: 'int4div' })
      }),
    },
    {
      title: 'an error has no values and no password in what is printed of its message',
      run: onSession(async (session) => {
        const error = await failureOf(session.query('select $1::int / 0', [4711]))
        assert.ok(!error.message.includes('4711'))
      }),
    },
    {
      title: 'errors are the same with values and without, and for named statements',
      run: onSession(async (session) => {
        const statements = [
          { text: 'select 10 / 0' },
          { text: 'select 10 / $1::int', values: [0] },
          { text: 'select 10 / $1::int', values: [0], name: 'divide' },
          { text: 'select 10 / $1::int', values: [0], name: 'divide' },
        ]
        for (const statement of statements) {
          await failureOf(session.query(statement), {
            name: 'DatabaseError',
            code: '22012',
            severity: 'ERROR',
            executed: 'rolled-back',
            retryable: false,
          })
        }
        await failureOf(session.query('select $1::int', ['x']), { code: '22P02' })
        await failureOf(session.query('select $1::int'), { code: '42P02' })
      }),
    },
    {
      title: 'an error after rows have come is an error, without the rows',
      run: onSession(async (session) => {
        const text = 'select 1 / (1000 - n) from generate_series(1, 2000) as n'
        await failureOf(session.query(text), { code: '22012' })
        assert.deepEqual((await session.query('select 1 as n')).rows, [{ n: 1 }])
      }),
    },
    {
      title: 'what follows an error in a transaction is refused with 25P02 until its end',
      run: onSession(async (session) => {
        await session.query('begin')
        await failureOf(session.query('select 1/0'))
        await failureOf(session.query('select 1'), { code: '25P02', executed: 'rolled-back' })
        await failureOf(session.query('select $1::int', [1]), { code: '25P02' })
        assert.equal((await session.query('commit')).command, 'ROLLBACK')
      }),
    },
    {
      title: 'S83: a serialization failure is retryable and rolled back',
      async run(test) {
        const table = await test.table('n int')
        const [one, two] = [await test.connect(), await test.connect()]
        await one.query(`insert into ${table} values (1)`)
        await two.query('begin isolation level repeatable read')
        await two.query(`select n from ${table}`)
        await one.query(`update ${table} set n = 2`)
        await failureOf(two.query(`update ${table} set n = 3`), {
          code: '40001',
          retryable: true,
          executed: 'rolled-back',
        })
        await two.query('rollback')
      },
    },
    {
      title: 'F27: a write in a read-only transaction was not executed and is retryable',
      async run(test) {
        const table = await test.table('n int')
        const session = await test.connect()
        await session.query('begin read only')
        await failureOf(session.query(`insert into ${table} values (1)`), {
          code: '25006',
          executed: 'no',
          retryable: true,
        })
        await session.query('rollback')
      },
    },
  ],
}
