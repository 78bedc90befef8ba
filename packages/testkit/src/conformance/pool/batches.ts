import assert from 'node:assert/strict'
import type { QueryResult } from '@poolhouse/core'
import type { FaultProxy } from '../../fault-proxy/fault-proxy.js'
import { assertHas, failureOf, type Properties } from '../run/expectations.js'
import { onTable, type PoolArea } from './pool-context.js'

const SLEEP = 'select pg_sleep(20)'

/** How the COMMIT of an array is lost, and what is in the table after it. */
const IN_DOUBT: readonly [title: string, lose: (line: FaultProxy) => void, left: number[]][] = [
  [
    'F40, T95: an array whose answer is lost is in doubt, and is not repeated',
    (line) => line.dropCommitAnswer(),
    [1],
  ],
  [
    'S76, T95: an array that is lost on its way is in doubt as well, and is not repeated',
    (line) => line.dropCommitRequest(),
    [],
  ],
]

/** Several statements in one call. */
export const batches: PoolArea = {
  area: 'batches',
  needs: ['write'],
  cases: [
    {
      title: 'T94: a batch gives one outcome for each statement, and each stands for itself',
      needs: ['lease'],
      run: onTable('n int', { max: 1 }, async (pool, table, test) => {
        const outcomes = await pool.use((lease) =>
          lease.batch([
            `insert into ${table} values (1)`,
            'select 1/0',
            { text: `insert into ${table} values ($1) returning n`, values: [2] },
          ]),
        )
        assertOutcomes(outcomes, [
          { command: 'INSERT', rowCount: 1, durability: 'configured' },
          { code: '22012', executed: 'rolled-back' },
          { rows: [{ n: 2 }] },
        ])
        assert.deepEqual(await test.numbersIn(table), [1, 2])
      }),
    },
    {
      title: 'T94: inside a transaction a failed statement of a batch has the rest refused',
      needs: ['lease'],
      run: onTable('n int', { max: 1 }, async (pool, table, test) => {
        const insert = `insert into ${table} values (1)`
        const outcomes = await pool.use((lease) =>
          lease.batch(['begin', insert, 'select 1/0', insert, 'rollback', insert]),
        )
        assertOutcomes(outcomes, [
          { command: 'BEGIN', durability: undefined },
          { command: 'INSERT', durability: undefined },
          { code: '22012' },
          { code: '25P02', executed: 'rolled-back' },
          { command: 'ROLLBACK' },
          { command: 'INSERT', durability: 'configured' },
        ])
        assert.deepEqual(await test.numbersIn(table), [1])
      }),
    },
    {
      title:
        'F54, T94: a batch that is aborted tells of each statement, and its connection serves on',
      needs: ['lease'],
      run: onTable('n int', { max: 1 }, async (pool, table, test) => {
        const insert = `insert into ${table} values (1)`
        const lease = await pool.acquire()
        const abort = new AbortController()
        const call = lease.batch([insert, SLEEP, SLEEP, SLEEP], { signal: abort.signal })
        await test.pidRunning(SLEEP)
        await test.arrived()
        abort.abort()
        const outcomes = await call
        assertOutcomes(outcomes, [
          { command: 'INSERT' },
          { name: 'AbortError', executed: 'rolled-back' },
          // Far away, what is in flight may be given up before a cancel request has reached it.
          { name: 'AbortError', executed: /^(?:no|rolled-back|unknown)$/ },
          { name: 'AbortError', executed: /^(?:no|rolled-back|unknown)$/ },
        ])
        await lease.query('select 1')
        lease.release()
        assert.deepEqual(await test.numbersIn(table), [1])
      }),
    },
    {
      title: 'F53, T94: a lease that is given back ends its batch, of which nothing more is done',
      needs: ['lease'],
      run: onTable('n int', { max: 1 }, async (pool, table, test) => {
        const lease = await pool.acquire()
        const call = lease.batch([SLEEP, SLEEP, 'select 1'])
        await test.pidRunning(SLEEP)
        lease.release()
        const [first] = await call
        assert.equal(first?.status, 'rejected')
        await pool.query(`insert into ${table} values (1)`)
        assert.deepEqual(await test.numbersIn(table), [1])
      }),
    },
    {
      title: 'F13, T94: a batch whose connection is lost keeps the outcomes that were answered',
      needs: ['lease'],
      run: onTable('n int', { max: 1 }, async (pool, table, test) => {
        const lease = await pool.acquire()
        const call = lease.batch([`insert into ${table} values (1)`, SLEEP, 'select 1'])
        await test.pidRunning(SLEEP)
        await test.arrived()
        test.line.reset()
        assertOutcomes(await call, [
          { command: 'INSERT' },
          { name: 'ConnectionLostError', executed: 'unknown' },
          { name: 'ConnectionLostError', executed: /^(?:no|unknown)$/ },
        ])
        lease.release()
        assert.deepEqual(await test.numbersIn(table), [1])
      }),
    },
    {
      title: 'T94: what a batch sets in its session is gone for the next borrower',
      needs: ['lease'],
      run: onTable('n int', { max: 1 }, async (pool) => {
        await pool.use((lease) => lease.batch(['select 1', `set work_mem = '77MB'`, 'select 2']))
        const { rows } = await pool.query<{ m: string }>(`select current_setting('work_mem') as m`)
        assert.notEqual(rows[0]?.m, '77MB')
      }),
    },
    {
      title: 'T95: an array of statements is one transaction, and gives one result for each',
      run: onTable('n int', { max: 1 }, async (pool, table, test) => {
        const results = await pool.transaction(
          [
            { text: `insert into ${table} values ($1), ($2)`, values: [1, 2] },
            `select current_setting('transaction_isolation') as i`,
            `select n from ${table} order by n`,
          ],
          { isolation: 'serializable' },
        )
        assert.equal(results.length, 3)
        assert.equal(results[0]?.rowCount, 2)
        assert.deepEqual(results[1]?.rows, [{ i: 'serializable' }])
        assert.deepEqual(results[2]?.rows, [{ n: 1 }, { n: 2 }])
        assert.deepEqual(await test.numbersIn(table), [1, 2])
      }),
    },
    {
      title: 'T95: the first error of an array rolls it back and says which statement it was',
      run: onTable('n int primary key', { max: 1 }, async (pool, table, test) => {
        const pid = await test.pidOf(pool)
        const insert = { text: `insert into ${table} values ($1)`, values: [1] }
        await failureOf(pool.transaction(['select 1', insert, insert, 'select 2']), {
          name: 'DatabaseError',
          code: '23505',
          executed: 'rolled-back',
          statementIndex: 2,
        })
        assert.deepEqual(await test.numbersIn(table), [])
        assert.equal(await test.pidOf(pool), pid)
      }),
    },
    {
      title: 'T95: an error of the COMMIT of an array belongs to no statement',
      run: onTable(
        'n int unique deferrable initially deferred',
        { max: 1 },
        async (pool, table, test) => {
          const insert = `insert into ${table} values (1)`
          const error = await failureOf(pool.transaction([insert, insert]), {
            code: '23505',
            executed: 'rolled-back',
          })
          assert.ok(!('statementIndex' in error))
          assert.deepEqual(await test.numbersIn(table), [])
        },
      ),
    },
    {
      title: 'T95: an array with a text of several commands has the same outcome',
      run: onTable('n int primary key', { max: 1 }, async (pool, table, test) => {
        const two = `insert into ${table} values (1); insert into ${table} values (2)`
        await pool.transaction([two, `insert into ${table} values (3)`])
        assert.deepEqual(await test.numbersIn(table), [1, 2, 3])
        const call = pool.transaction([`insert into ${table} values (4)`, two])
        await failureOf(call, { code: '23505', executed: 'rolled-back', statementIndex: 1 })
        assert.deepEqual(await test.numbersIn(table), [1, 2, 3])
      }),
    },
    {
      title: 'T95: a large array is one transaction',
      run: onTable('n int', { max: 1 }, async (pool, table, test) => {
        const inserts = Array.from({ length: 1_010 }, (_, n) => ({
          text: `insert into ${table} values ($1)`,
          values: [n],
        }))
        assert.equal((await pool.transaction(inserts)).length, 1_010)
        assert.equal((await test.numbersIn(table)).length, 1_010)
      }),
    },
    {
      title: 'F54, T95: an array is ended by its signal and by its deadline, and rolled back',
      run: onTable('n int', { max: 1 }, async (pool, table, test) => {
        const statements = [`insert into ${table} values (1)`, SLEEP]
        const abort = new AbortController()
        const aborted = failureOf(pool.transaction(statements, { signal: abort.signal }), {
          name: 'AbortError',
          executed: 'rolled-back',
        })
        await test.pidRunning(SLEEP)
        abort.abort()
        await aborted
        await failureOf(pool.transaction(statements, { timeoutMs: 200 }), {
          name: 'StatementTimeoutError',
          executed: 'rolled-back',
        })
        await pool.query('select 1')
        assert.deepEqual(await test.numbersIn(table), [])
      }),
    },
    {
      title: 'T95: an array that begins or ends a transaction is refused',
      run: onTable('n int', { max: 1 }, async (pool, table, test) => {
        await failureOf(pool.transaction([`insert into ${table} values (1)`, 'commit']), {
          name: 'TransactionError',
          executed: 'no',
          statementIndex: 1,
        })
        assert.deepEqual(await test.numbersIn(table), [])
      }),
    },
    ...IN_DOUBT.map(([title, lose, left]) => ({
      title,
      run: onTable('n int', { max: 1 }, async (pool, table, test) => {
        const text = `insert into ${table} values (1)`
        const count = test.countOf(text)
        lose(test.line)
        const call = pool.transaction([text], { retry: { attempts: 3 } })
        await failureOf(call, { name: 'InDoubtError', executed: 'unknown' })
        assert.equal(count(), 1)
        assert.deepEqual(await test.numbersIn(table), left)
      }),
    })),
  ],
}

/** Checks one outcome after the other: the result, or the error, must have these properties. */
function assertOutcomes(
  outcomes: readonly PromiseSettledResult<QueryResult>[],
  expected: readonly Properties[],
): void {
  assert.equal(outcomes.length, expected.length)
  for (const [index, outcome] of outcomes.entries()) {
    const told = outcome.status === 'fulfilled' ? outcome.value : outcome.reason
    assertHas(told, expected[index]!, `outcome ${index}`)
  }
}
