import assert from 'node:assert/strict'
import { type AbortError, DatabaseError, type StatementTimeoutError } from '@poolhouse/core'
import { failureOf } from '../run/expectations.js'
import { assertTook } from '../run/waiting.js'
import { onPool, onTable, type PoolArea } from './pool-context.js'

const SLEEP = 'select pg_sleep(20)'

/** Single statements. */
export const queries: PoolArea = {
  area: 'query',
  cases: [
    {
      title: 'S01: a query gives rows, count, command, columns and the name of the node',
      run: onPool({}, async (pool) => {
        const calls = [
          pool.query('select 1 as n, $1::text as t', ['x']),
          pool.query({ text: 'select 1 as n, $1::text as t', values: ['x'] }),
          pool.query({ text: 'select 1 as n, $1::text as t', values: ['x'], name: 'one' }),
        ]
        for (const result of await Promise.all(calls)) {
          assert.deepEqual(result.rows, [{ n: 1, t: 'x' }])
          assert.equal(result.rowCount, 1)
          assert.equal(result.command, 'SELECT')
          assert.deepEqual(
            result.fields.map(({ name, dataTypeID }) => [name, dataTypeID]),
            [
              ['n', 23],
              ['t', 25],
            ],
          )
          assert.equal(typeof result.node, 'string')
        }
        const { rows } = await pool.query({ text: 'select 1, 2', rowMode: 'array' })
        assert.deepEqual(rows, [[1, 2]])
      }),
    },
    {
      title: 'S12: an error of the server is a DatabaseError and costs no connection',
      run: onPool({ max: 1 }, async (pool, test) => {
        const pid = await test.pidOf(pool)
        for (let round = 0; round < 5; round++) {
          const error = await failureOf(pool.query('select 1/0'), { code: '22012' })
          assert.ok(error instanceof DatabaseError)
        }
        assert.equal(await test.pidOf(pool), pid)
      }),
    },
    {
      title: 'wrong arguments reject or throw with a TypeError and send nothing',
      run: onPool({}, async (pool, test) => {
        const seen: string[] = []
        test.line.onStatement((text) => {
          if (text.includes('wrong')) seen.push(text)
        })
        const wrong: (() => unknown)[] = [
          () => pool.query(undefined as never),
          () => pool.query('select $1 as wrong', 'x' as never),
          () => pool.query('select 1 as wrong', [], { timeout: 5 } as never),
          () => pool.query('select $1::text as wrong', [undefined]),
        ]
        for (const call of wrong) {
          const error = await failureOf((async () => call())())
          assert.ok(error instanceof TypeError, String(error))
        }
        assert.deepEqual(seen, [])
      }),
    },
    {
      title: 'statements that begin or end a transaction are refused and not sent',
      needs: ['lone'],
      run: onPool({ max: 1 }, async (pool) => {
        for (const text of ['begin', 'commit', 'rollback', 'select 1; start transaction']) {
          await failureOf(pool.query(text), { name: 'TransactionError', executed: 'no' })
        }
        const { rows } = await pool.query('select now() = statement_timestamp() as alone')
        assert.deepEqual(rows, [{ alone: true }])
      }),
    },
    {
      title: 'F47: many calls at once are all served by no more connections than allowed',
      run: onPool({ max: 3 }, async (pool) => {
        const calls = Array.from({ length: 100 }, (_, n) =>
          pool.query<{ n: number; pid: number }>('select $1::int as n, pg_backend_pid() as pid', [
            n,
          ]),
        )
        const rows = (await Promise.all(calls)).map((result) => result.rows[0]!)
        assert.ok(rows.every(({ n }, index) => n === index))
        assert.ok(new Set(rows.map(({ pid }) => pid)).size <= 3)
      }),
    },
    {
      title:
        'F54: an aborted call tells what the server says to it within 250 ms, and its connection is not lent before the statement is over',
      run: onPool({ max: 1 }, async (pool, test) => {
        const pid = await test.pidOf(pool)
        const abort = new AbortController()
        const reason = new Error('the user left')
        const call = failureOf<AbortError>(pool.query(SLEEP, [], { signal: abort.signal }), {
          name: 'AbortError',
          cause: reason,
        })
        await test.pidRunning(SLEEP)
        const abortedAt = performance.now()
        abort.abort(reason)
        const error = await call
        // The caller is kept for 200 ms until the server has confirmed it; on a busy machine that
        // is not always enough.
        const keptMs = performance.now() - abortedAt
        if (keptMs < 195 || error.executed !== 'unknown')
          assert.equal(error.executed, 'rolled-back')
        assert.equal(await test.pidOf(pool), pid)
        await failureOf(pool.query('select 1', [], { signal: abort.signal }), {
          name: 'AbortError',
          executed: 'no',
        })
      }),
    },
    {
      title:
        'F37: a call past its deadline is cancelled on the server and known to be rolled back, and its connection is kept',
      run: onPool({ max: 1, statementTimeoutMs: 2_000 }, async (pool, test) => {
        const pid = await test.pidOf(pool)
        const startedAt = performance.now()
        const error = await failureOf<StatementTimeoutError>(
          pool.query(SLEEP, [], { timeoutMs: 80 }),
          { name: 'StatementTimeoutError' },
        )
        // A pool over pools says what it had left of it.
        assert.ok(error.timeoutMs > 40 && error.timeoutMs <= 80, `timeoutMs is ${error.timeoutMs}`)
        // The caller is kept for 200 ms until the server has confirmed it; on a busy machine that
        // is not always enough.
        const keptMs = performance.now() - startedAt - 80
        if (keptMs < 195 || error.executed !== 'unknown')
          assert.equal(error.executed, 'rolled-back')
        assert.equal(await test.pidOf(pool), pid)
      }),
    },
    {
      title:
        'F18, F41: a call whose answer never comes ends at its deadline, unknown, and its connection is not used again',
      needs: ['write', 'lone'],
      run: onTable('n int', { max: 1 }, async (pool, table, test) => {
        const pid = await test.pidOf(pool)
        const text = `insert into ${table} values (1)`
        // biome-ignore lint/suspicious/noThenProperty: the option's name
        test.line.dropAnswers({ to: (statement) => statement === text, then: 'hang' })
        const startedAt = performance.now()
        await failureOf(pool.query(text, [], { timeoutMs: 150 }), { executed: 'unknown' })
        assertTook(startedAt, 150)
        assert.notEqual(await test.pidOf(pool), pid)
        assert.deepEqual(await test.numbersIn(table), [1])
      }),
    },
  ],
}
