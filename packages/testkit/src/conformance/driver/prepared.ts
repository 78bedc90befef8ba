import assert from 'node:assert/strict'
import { failureOf, namesOf } from '../run/expectations.js'
import type { TestSession } from '../session/test-session.js'
import { type DriverArea, type DriverContext, onSession } from './driver-context.js'

/** Texts of the prepared statements of a session, as the server knows them. */
async function preparedOf({ query }: TestSession): Promise<string[]> {
  const { rows } = await query<{ statement: string }>(
    'select statement from pg_prepared_statements order by prepare_time, name',
  )
  return rows.map(({ statement }) => statement)
}

const automatic = (test: DriverContext, max = 100): Promise<TestSession> =>
  test.connect({ prepare: { after: 3, max } })

/** Prepared statements, named and automatic. */
export const prepared: DriverArea = {
  area: 'prepared statements',
  cases: [
    {
      title: 'a named statement is parsed once for each session and survives errors',
      run: onSession(async (session, test) => {
        const seen: string[] = []
        const text = 'select 10 / ($1::int * n) as n from generate_series(1, 1) n'
        const statement = { text, name: 'divide' }
        test.line.onStatement((_, { kind }) => seen.push(kind))
        assert.deepEqual((await session.query({ ...statement, values: [5] })).rows, [{ n: 2 }])
        await failureOf(session.query({ ...statement, values: [0] }), { code: '22012' })
        const again = await session.query({ ...statement, values: [2] })
        assert.deepEqual(seen, ['parse', 'execute', 'execute'])
        assert.deepEqual([again.rows, again.rowCount, again.command], [[{ n: 5 }], 1, 'SELECT'])
        assert.deepEqual(
          again.fields.map(({ name, dataTypeID }) => [name, dataTypeID]),
          [['n', 23]],
        )
        assert.deepEqual(await preparedOf(session), [statement.text])
      }),
    },
    {
      title:
        'T02: a known statement that is refused before it is bound is parsed anew once, and its error told if that is of no use',
      run: onSession(async (session, test) => {
        const seen: string[] = []
        const statement = { text: 'select $1::int as n', name: 'number' }
        await session.query({ ...statement, values: [1] })
        test.line.onStatement((_, { kind }) => seen.push(kind))
        await failureOf(session.query({ ...statement, values: ['x'] }), {
          code: '22P02',
          retryable: false,
          executed: 'rolled-back',
        })
        assert.deepEqual(seen, ['execute', 'parse'])
        assert.deepEqual((await session.query({ ...statement, values: [2] })).rows, [{ n: 2 }])
        assert.deepEqual(await preparedOf(session), [statement.text])
      }),
    },
    {
      title:
        'a named statement without values, with rows as arrays and with names of object properties',
      run: onSession(async (session) => {
        for (const name of ['constructor', '__proto__', 'toString', 'É "q" \\', 'n'.repeat(63)]) {
          const statement = { text: `select '${name}' as n`, name, rowMode: 'array' } as const
          for (let run = 0; run < 2; run++) {
            assert.deepEqual((await session.query(statement)).rows, [[name]])
          }
        }
        assert.equal((await preparedOf(session)).length, 5)
      }),
    },
    {
      title:
        'a name that has been used for another text is refused with a TypeError, and what is behind it runs',
      run: onSession(async (session) => {
        await session.query({ text: 'select 1 as n', name: 'twice' })
        const refused = failureOf(session.query({ text: 'select 2 as n', name: 'twice' }))
        const behind = session.query('select 3 as n')
        assert.ok((await refused) instanceof TypeError)
        assert.deepEqual((await behind).rows, [{ n: 3 }])
        assert.equal(session.connection.inFlight, 0)
      }),
    },
    {
      title: 'a name that PostgreSQL would cut off is refused with a TypeError',
      run: onSession(async (session) => {
        const call = session.query({ text: 'select 1', name: 'n'.repeat(64) })
        assert.ok((await failureOf(call)) instanceof TypeError)
        assert.deepEqual(await preparedOf(session), [])
      }),
    },
    {
      title: 'a named statement whose text is wrong fails each time with the error of the server',
      run: onSession(async (session) => {
        const statement = { text: 'selec 1', name: 'typo' }
        await failureOf(session.query(statement), { code: '42601' })
        await failureOf(session.query(statement), { code: '42601' })
      }),
    },
    {
      title:
        'a statement with values is prepared by itself from the given use on, one without values never',
      run: onSession(async (session) => {
        const text = 'select $1::int as n'
        for (let use = 1; use <= 4; use++) {
          assert.deepEqual((await session.query(text, [use])).rows, [{ n: use }])
          await session.query('select 1 as plain')
          assert.deepEqual(await preparedOf(session), use < 3 ? [] : [text])
        }
      }, automatic),
    },
    {
      title: 'nothing is prepared by itself when that is off',
      run: onSession(async (session) => {
        for (let use = 0; use < 6; use++) await session.query('select $1::int as n', [use])
        assert.deepEqual(await preparedOf(session), [])
      }),
    },
    {
      title: 'statements prepared by themselves are bounded, and the least recently used go first',
      async run(test) {
        const session = await automatic(test, 3)
        const use = async (index: number): Promise<void> => {
          const { rows } = await session.query(`select $1::int + ${index} as n`, [1])
          assert.deepEqual(rows, [{ n: 1 + index }])
        }
        for (let index = 0; index < 8; index++) {
          for (let times = 0; times < 3; times++) await use(index)
          // Kept young by use.
          await use(0)
          const { length } = await preparedOf(session)
          assert.ok(length <= 3, `${length} statements are prepared`)
        }
        const texts = await preparedOf(session)
        assert.ok(texts.includes('select $1::int + 0 as n'))
        assert.ok(texts.includes('select $1::int + 7 as n'))
        assert.ok(!texts.includes('select $1::int + 3 as n'))
      },
    },
    {
      title: 'a prepared statement that the server has lost is made anew, unseen by the caller',
      run: onSession(async (session) => {
        const named = { text: 'select $1::int as n', name: 'lost', values: [1] }
        const unnamed = { text: 'select $1::int as m', values: [2] }
        for (let use = 0; use < 3; use++) {
          await session.query(named)
          await session.query(unnamed)
        }
        for (const text of ['deallocate all', 'discard all']) {
          await session.query(text)
          assert.deepEqual((await session.query(named)).rows, [{ n: 1 }])
          assert.deepEqual((await session.query(unnamed)).rows, [{ m: 2 }])
          assert.equal((await preparedOf(session)).length, 2)
        }
      }, automatic),
    },
    {
      title: 'a prepared statement whose table has changed is made anew, with the new columns',
      run: onSession(async (session) => {
        await session.query('create temp table t as select 1 as a')
        const named = { text: 'select * from t', name: 'star' }
        const unnamed = { text: 'select * from t where a = $1', values: [1] }
        for (let use = 0; use < 4; use++) {
          assert.deepEqual((await session.query(named)).rows, [{ a: 1 }])
          assert.deepEqual((await session.query(unnamed)).rows, [{ a: 1 }])
        }
        await session.query('alter table t add b text default $$x$$')
        for (const statement of [named, unnamed]) {
          const { rows, fields } = await session.query(statement)
          assert.deepEqual(rows, [{ a: 1, b: 'x' }])
          assert.deepEqual(namesOf(fields), ['a', 'b'])
        }
      }, automatic),
    },
    {
      title: 'T11: prepared statements that are dropped inside a transaction are made anew there',
      run: onSession(async (session) => {
        const named = { text: 'select 1 as a', name: 'star' }
        const unnamed = { text: 'select a from (values (1)) t (a) where a = $1', values: [1] }
        const changes = [
          'deallocate all',
          'deallocate "star"',
          `do 'begin execute ''deallocate all''; end'`,
        ]
        for (const change of changes) {
          await session.connection.reset('session')
          for (let use = 0; use < 3; use++) {
            await session.query(named)
            await session.query(unnamed)
          }
          assert.equal((await preparedOf(session)).length, 2)
          await session.query('begin')
          await session.query(change)
          assert.equal((await session.query<{ a: number }>(named)).rows[0]?.a, 1)
          assert.deepEqual((await session.query(unnamed)).rows, [{ a: 1 }])
          assert.equal(session.connection.transactionStatus(), 'active')
          await session.query('commit')
        }
      }, automatic),
    },
    {
      title:
        'a prepared statement that a function has dropped unseen fails once inside a transaction, as worth another attempt, and is repeated outside',
      run: onSession(async (session, test) => {
        // What a pooler gives out as the process id may be negative.
        const lose = `lose_statements_${Math.abs(session.connection.info.backendPid)}()`
        await session.query(`create function ${lose} returns int language plpgsql as
          $$ begin execute 'deallocate all'; return 1; end $$`)
        const named = { text: 'select 1 as n', name: 'one' }
        await session.query(named)
        await session.query('begin')
        await session.query(`select ${lose}`)
        await failureOf(session.query(named), {
          name: 'DatabaseError',
          code: '26000',
          retryable: true,
          executed: 'rolled-back',
        })
        assert.equal(session.connection.transactionStatus(), 'failed')
        await session.query('rollback')
        assert.deepEqual((await session.query(named)).rows, [{ n: 1 }])
        const other = await test.connect()
        await other.query(named)
        await other.query(`select ${lose}`)
        assert.deepEqual((await other.query(named)).rows, [{ n: 1 }])
        await other.query(`drop function ${lose}`)
      }),
    },
    {
      title:
        'T22: a name that the server session knows from elsewhere is refused, by an error that names it and the pooler option',
      run: onSession(async (session) => {
        await session.query(`prepare mine as select 'theirs' as whose`)
        const named = { text: `select 'mine' as whose`, name: 'mine' }
        for (let use = 0; use < 2; use++) {
          const error = await failureOf(session.query(named), { code: '42P05' })
          assert.match(error.message, /"mine".*pooler/)
        }
        await session.query('deallocate mine')
        assert.deepEqual((await session.query(named)).rows, [{ whose: 'mine' }])
      }),
    },
    {
      title: 'a statement that raises the SQLSTATE of a lost one by itself is not repeated',
      run: onSession(async (session) => {
        await session.query('create temp sequence uses')
        await session.query(`create function pg_temp.once(int) returns int language plpgsql as
          $$ begin perform nextval('uses'); raise exception 'mine' using errcode = '26000'; end $$`)
        const statement = { text: 'select pg_temp.once($1)', name: 'once', values: [1] }
        await failureOf(session.query(statement), { code: '26000', message: 'mine' })
        await failureOf(session.query(statement), { code: '26000', message: 'mine' })
        const { rows } = await session.query(`select last_value::int as n from uses`)
        assert.deepEqual(rows, [{ n: 2 }])
      }),
    },
    {
      title: 'X01: prepared statements survive a reset of the session',
      run: onSession(async (session) => {
        const named = { text: 'select $1::int as n', name: 'kept', values: [1] }
        for (let use = 0; use < 3; use++) await session.query('select $1::int as m', [1])
        await session.query(named)
        await session.connection.reset('session')
        assert.equal((await preparedOf(session)).length, 2)
        assert.deepEqual((await session.query(named)).rows, [{ n: 1 }])
        assert.deepEqual((await session.query('select $1::int as m', [2])).rows, [{ m: 2 }])
      }, automatic),
    },
  ],
}
