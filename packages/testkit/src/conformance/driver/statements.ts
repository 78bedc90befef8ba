import assert from 'node:assert/strict'
import type { FieldInfo } from '@poolhouse/core'
import { assertHas, failureOf, namesOf } from '../run/expectations.js'
import { type DriverArea, onSession } from './driver-context.js'

/** A column of a result, of a type of variable length and of no table if nothing else is said. */
function column(said: Partial<FieldInfo>): Partial<FieldInfo> {
  const computed = { tableID: 0, columnID: 0, dataTypeSize: -1, dataTypeModifier: -1 }
  return { ...computed, format: 'text', ...said }
}

/** What comes back from a statement. */
export const statements: DriverArea = {
  area: 'statements',
  cases: [
    {
      title: 'a result has rows, count, command and the columns as the server describes them',
      run: onSession(async (session) => {
        await session.query('create temp table fruit (id int primary key, name varchar(7))')
        const inserted = await session.query('insert into fruit values (1, $1), (2, $2)', [
          'fig',
          'kiwi',
        ])
        assert.deepEqual(inserted, { rows: [], rowCount: 2, command: 'INSERT', fields: [] })
        const selected = await session.query(
          'select id, name, id * 2 as twice from fruit order by id',
        )
        const found = await session.query<{ oid: string }>(
          `select 'fruit'::regclass::oid::text as oid`,
        )
        const tableID = Number(found.rows[0]?.oid)
        assert.deepEqual(selected, {
          rows: [
            { id: 1, name: 'fig', twice: 2 },
            { id: 2, name: 'kiwi', twice: 4 },
          ],
          rowCount: 2,
          command: 'SELECT',
          fields: [
            column({ name: 'id', dataTypeID: 23, dataTypeSize: 4, tableID, columnID: 1 }),
            column({ name: 'name', dataTypeID: 1043, tableID, columnID: 2, dataTypeModifier: 11 }),
            column({ name: 'twice', dataTypeID: 23, dataTypeSize: 4 }),
          ],
        })
      }),
    },
    {
      title: 'a result that is asked for undecoded has texts and nulls in the order of its columns',
      run: onSession(async (session) => {
        const text = `select 7::int8 as n, true as n, null::int4 as nothing, '{1,2}'::int4[] as list, $1::text as t`
        const statement = { text, values: ['x'], rowMode: 'object', undecoded: true } as const
        const plain = { text: `select 1 as a, 'b' as b`, undecoded: true } as const
        for (const name of [undefined, 'kept', 'kept']) {
          const { rows, fields } = await session.query({ ...statement, name })
          assert.deepEqual(rows, [['7', 't', null, '{1,2}', 'x']])
          const types = fields.map((field) => [field.name, field.dataTypeID])
          assert.deepEqual(types, [
            ['n', 20],
            ['n', 16],
            ['nothing', 23],
            ['list', 1007],
            ['t', 25],
          ])
        }
        assert.deepEqual((await session.query(plain)).rows, [['1', 'b']])
        const bytes = { text: 'select $1::bytea as b', values: [Buffer.from('hi')] }
        const sent = await session.query({ ...bytes, undecoded: true })
        assert.deepEqual(sent.rows, [['\\x6869']])
        const { rows } = await session.query({ ...statement, name: 'kept', undecoded: undefined })
        assert.deepEqual(rows, [{ n: true, nothing: null, list: [1, 2], t: 'x' }])
      }),
    },
    {
      title: 'a result without rows has its columns all the same, with and without values',
      run: onSession(async (session) => {
        for (const values of [undefined, [1]]) {
          const { rows, rowCount, fields } = await session.query(
            values ? 'select 1 as n where $1 = 2' : 'select 1 as n where false',
            values,
          )
          assert.deepEqual([rows, rowCount, namesOf(fields)], [[], 0, ['n']])
        }
      }),
    },
    {
      title: 'a result names the whole command and counts only what has a count',
      run: onSession(async (session) => {
        const outcome = async (text: string, values?: unknown[]): Promise<unknown> => {
          const { command, rowCount } = await session.query(text, values)
          return [command, rowCount]
        }
        assert.deepEqual(await outcome('create temp table t (n int)'), ['CREATE TABLE', null])
        assert.deepEqual(await outcome('create temp table u as select 1 as n'), ['SELECT', 1])
        assert.deepEqual(await outcome('begin'), ['BEGIN', null])
        const insert = 'insert into t select generate_series(1, $1)'
        assert.deepEqual(await outcome(insert, [12]), ['INSERT', 12])
        assert.deepEqual(await outcome('update t set n = 0 where n > 10'), ['UPDATE', 2])
        assert.deepEqual(await outcome('delete from t where n = 77'), ['DELETE', 0])
        assert.deepEqual(await outcome('delete from t returning n'), ['DELETE', 12])
        assert.deepEqual(await outcome('values (1), (2)'), ['SELECT', 2])
        assert.deepEqual(await outcome('show work_mem'), ['SHOW', null])
        assert.deepEqual(await outcome('commit'), ['COMMIT', null])
        assert.deepEqual(await outcome('do $$ begin end $$'), ['DO', null])
        await session.query('begin')
        await failureOf(session.query('select 1/0'), { code: '22012' })
        assert.deepEqual(await outcome('commit'), ['ROLLBACK', null])
      }),
    },
    {
      title: 'a statement is executed exactly once, whatever its form',
      async run(test) {
        const { connection, query } = await test.connect({ prepare: { after: 2, max: 9 } })
        await query('create temp table t (n int)')
        const one = 'insert into t values ($1)'
        await query('insert into t values (1)')
        await query('insert into t values (2); select 1')
        // The third is prepared by itself, the fourth finds it prepared.
        for (const n of [3, 4, 5, 6]) await query(one, [n])
        for (const n of [7, 8]) await query({ text: one, values: [n], name: 'one' })
        await query({ text: `${one} returning n`, values: [9], rowMode: 'array' })
        const cursor = connection.openCursor({ text: 'insert into t values (10) returning n' })
        while (!(await cursor.read(5)).end);
        await failureOf(query('insert into t values (11); select 1/0'))
        const { rows } = await query<{ n: number }>('select n from t order by n')
        assert.deepEqual(
          rows.map(({ n }) => n),
          [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
        )
      },
    },
    {
      title: 'the empty query and a comment succeed with nothing',
      run: onSession(async (session) => {
        for (const text of ['', ' ', ';', '-- nothing']) {
          const result = await session.query(text)
          assert.deepEqual(result, { rows: [], rowCount: null, command: '', fields: [] }, text)
        }
        assert.equal(session.connection.transactionStatus(), 'idle')
      }),
    },
    {
      title: 'of a text with several statements the result is that of the last',
      run: onSession(async (session) => {
        const last = await session.query('select 1 as a; select 2 as b, 3 as c')
        assertHas(last, { rows: [{ b: 2, c: 3 }], rowCount: 1, command: 'SELECT' })
        assert.deepEqual(namesOf(last.fields), ['b', 'c'])
        const silent = await session.query(`select 1 as a; set work_mem = '9MB'`)
        assert.deepEqual(silent, { rows: [], rowCount: null, command: 'SET', fields: [] })
      }),
    },
    {
      title: 'of a text with several statements an error is the error of all, and undoes all',
      run: onSession(async (session) => {
        await session.query('create temp table t (n int)')
        const text = 'insert into t values (1); select 1/0; insert into t values (2)'
        await failureOf(session.query(text), { code: '22012', executed: 'rolled-back' })
        assert.deepEqual((await session.query('select n from t')).rows, [])
      }),
    },
    {
      title: 'a text with several statements is refused by the server when it has values',
      run: onSession(async (session) => {
        await failureOf(session.query('select $1::int; select 2', [1]), { code: '42601' })
        assert.deepEqual((await session.query('select 1 as n')).rows, [{ n: 1 }])
      }),
    },
    {
      title: 'rows are arrays in column order when the statement asks for them',
      run: onSession(async (session) => {
        for (const values of [undefined, [3]]) {
          const text = `select 1 as a, null as a, ${values ? '$1::int' : '3'} as b`
          const { rows } = await session.query({ text, values, rowMode: 'array' })
          assert.deepEqual(rows, [[1, null, 3]])
        }
      }),
    },
    {
      title: 'of columns with one name the last is the property of the row',
      run: onSession(async (session) => {
        assert.deepEqual((await session.query('select 1 as a, 2 as a')).rows, [{ a: 2 }])
      }),
    },
    {
      title: 'rows without columns are rows',
      run: onSession(async (session) => {
        const result = await session.query('select from generate_series(1, 3)')
        assert.deepEqual(result, {
          rows: [{}, {}, {}],
          rowCount: 3,
          command: 'SELECT',
          fields: [],
        })
      }),
    },
    {
      title: 'X16: columns named after properties of every object are columns',
      run: onSession(async (session) => {
        const names = ['__proto__', 'constructor', 'hasOwnProperty', 'toString', 'length', '', ' ']
        const usable = names.filter((name) => name !== '')
        const list = usable.map((name, index) => `${index} as "${name}"`).join(', ')
        const { rows } = await session.query(`select ${list}`)
        assert.deepEqual(
          Object.entries(rows[0]!),
          usable.map((name, index) => [name, index]),
        )
        assert.equal(Object.getPrototypeOf(rows[0]), Object.prototype)
      }),
    },
    {
      title: 'names and texts of every script come through as they are',
      run: onSession(async (session) => {
        const text = 'äöü 漢字 🐘 \u0001 \\ \' " \r\n\t'
        const { rows } = await session.query(`select $1::text as "🐘 é"`, [text])
        assert.deepEqual(rows, [{ '🐘 é': text }])
      }),
    },
    {
      title: 'a value of eight megabytes goes there and back',
      run: onSession(async (session) => {
        const value = 'é'.repeat(4 * 1024 * 1024)
        const { rows } = await session.query<{ v: string }>('select $1::text as v', [value])
        assert.ok(rows[0]?.v === value)
      }),
    },
    {
      title: 'a hundred thousand rows arrive in order',
      run: onSession(async (session) => {
        const { rows, rowCount } = await session.query<{ n: number }>(
          'select n from generate_series(0, 99999) as n',
        )
        assert.equal(rowCount, 100_000)
        assert.ok(rows.every(({ n }, index) => n === index))
      }),
    },
    {
      title:
        'ten thousand parameters arrive in order, and more than the protocol can count are refused',
      run: onSession(async (session) => {
        const values = Array.from({ length: 10_000 }, (_, index) => index)
        const list = values.map((index) => `$${index + 1}::int`).join(', ')
        const { rows } = await session.query<{ a: string }>(
          `select array_to_string(array[${list}], ',') as a`,
          values,
        )
        assert.equal(rows[0]?.a, values.join(','))
        const tooMany = Array.from({ length: 65_536 }, () => 1)
        assert.ok((await failureOf(session.query('select 1', tooMany))) instanceof RangeError)
        assert.deepEqual((await session.query('select 1 as n')).rows, [{ n: 1 }])
      }),
    },
    {
      title:
        'undefined among the values is refused with a TypeError that names its place, and nothing is sent',
      run: onSession(async (session, test) => {
        const seen: string[] = []
        test.line.onStatement((text) => seen.push(text))
        const call = session.query('select $1::text, $2::text', ['a', undefined])
        const error = await failureOf(call, { message: /values\[1\]/ })
        assert.ok(error instanceof TypeError)
        assert.deepEqual(seen, [])
        assert.equal(session.connection.inFlight, 0)
        const { rows } = await session.query('select $1::text as a', [null])
        assert.deepEqual(rows, [{ a: null }])
      }),
    },
    {
      title: 'the wrong number of values is an error of the server, and the session goes on',
      run: onSession(async (session) => {
        for (const values of [[], [1], [1, 2, 3]]) {
          const error = await failureOf(session.query('select $1::int + $2::int', values))
          assertHas(error, { name: 'DatabaseError' })
        }
        const { rows } = await session.query('select $1::int + $2::int as n', [1, 2])
        assert.deepEqual(rows, [{ n: 3 }])
      }),
    },
    {
      title: 'COPY FROM STDIN and COPY TO STDOUT as statements fail and leave the session usable',
      run: onSession(async (session) => {
        await session.query('create temp table t (n int)')
        await failureOf(session.query('copy t from stdin'))
        assert.deepEqual((await session.query('select 1 as n')).rows, [{ n: 1 }])
        // Its rows belong to copyOut; whether the statement itself is an error is the driver's to
        // say.
        await session.query('copy (select 1) to stdout').catch(() => {})
        assert.deepEqual((await session.query('select 2 as n')).rows, [{ n: 2 }])
        assert.equal(session.connection.transactionStatus(), 'idle')
      }),
    },
  ],
}
