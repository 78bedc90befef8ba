import assert from 'node:assert/strict'
import type { Transaction } from '@poolhouse/core'
import type { FaultProxy } from '../../fault-proxy/fault-proxy.js'
import { failureOf } from '../run/expectations.js'
import { onTable, type PoolArea } from './pool-context.js'

const SLEEP = 'select pg_sleep(20)'

/** How a COMMIT is lost, and what is in the table after it. */
const IN_DOUBT: readonly [title: string, lose: (line: FaultProxy) => void, left: number[]][] = [
  [
    'F40, S75: a COMMIT whose answer is lost is in doubt, and is not repeated',
    (line) => line.dropCommitAnswer(),
    [1],
  ],
  [
    'S76: a COMMIT that is lost on its way is in doubt as well, and is not repeated',
    (line) => line.dropCommitRequest(),
    [],
  ],
]

/** Work between BEGIN and COMMIT. */
export const transactions: PoolArea = {
  area: 'transactions',
  needs: ['write'],
  cases: [
    {
      title: 'a transaction runs on one connection, commits, and gives the result of its work',
      run: onTable('n int', {}, async (pool, table, test) => {
        const result = await pool.transaction(async (tx) => {
          await tx.query(`insert into ${table} values (1)`)
          assert.deepEqual(await test.numbersIn(table), [])
          return (await tx.query(`select n from ${table}`)).rows
        })
        assert.deepEqual(result, [{ n: 1 }])
        assert.deepEqual(await test.numbersIn(table), [1])
      }),
    },
    {
      title:
        'F52: a transaction whose work throws is rolled back, with the same error, and its connection is kept',
      run: onTable('n int primary key', { max: 1 }, async (pool, table, test) => {
        const pid = await test.pidOf(pool)
        const own = new Error('no stock')
        const insert = `insert into ${table} values (1)`
        const throwing = pool.transaction(async (tx) => {
          await tx.query(insert)
          throw own
        })
        assert.equal(await failureOf(throwing), own)
        const failing = pool.transaction(async (tx) => {
          await tx.query(insert)
          await tx.query(insert)
        })
        await failureOf(failing, { name: 'DatabaseError', code: '23505', executed: 'rolled-back' })
        assert.deepEqual(await test.numbersIn(table), [])
        assert.equal(await test.pidOf(pool), pid)
      }),
    },
    {
      title:
        'S83: a transaction that swallowed an error of the server is an error and not a success',
      run: onTable('n int', { max: 1 }, async (pool, table, test) => {
        const call = pool.transaction(async (tx) => {
          await tx.query(`insert into ${table} values (1)`)
          await tx.query('select 1/0').catch(() => {})
        })
        await failureOf(call, { name: 'TransactionError', executed: 'rolled-back' })
        assert.deepEqual(await test.numbersIn(table), [])
      }),
    },
    {
      title: 'a savepoint whose work throws is rolled back alone, and savepoints nest',
      run: onTable('n int', { max: 1 }, async (pool, table, test) => {
        const add = (tx: Transaction, n: number): Promise<unknown> =>
          tx.query(`insert into ${table} values ($1)`, [n])
        await pool.transaction(async (tx) => {
          await add(tx, 1)
          const failing = tx.savepoint(async (outer) => {
            await add(outer, 2)
            await outer.savepoint((inner) => add(inner, 3))
            await outer.query('select 1/0')
          })
          await failureOf(failing, { code: '22012' })
          await tx.savepoint((inner) => add(inner, 4))
        })
        assert.deepEqual(await test.numbersIn(table), [1, 4])
      }),
    },
    {
      title: 'rollback ends a transaction whose work then succeeds',
      run: onTable('n int', { max: 1 }, async (pool, table, test) => {
        const result = await pool.transaction(async (tx) => {
          await tx.query(`insert into ${table} values (1)`)
          await tx.rollback()
          return 'changed my mind'
        })
        assert.equal(result, 'changed my mind')
        assert.deepEqual(await test.numbersIn(table), [])
      }),
    },
    {
      title: 'a transaction has the isolation and the mode it was given',
      run: onTable('n int', { max: 1 }, async (pool, table, test) => {
        const isolation = await pool.transaction(
          async (tx) =>
            (await tx.query<{ i: string }>(`select current_setting('transaction_isolation') as i`))
              .rows[0]?.i,
          { isolation: 'serializable' },
        )
        assert.equal(isolation, 'serializable')
        const writing = pool.transaction((tx) => tx.query(`insert into ${table} values (1)`), {
          readOnly: true,
        })
        await failureOf(writing)
        assert.deepEqual(await test.numbersIn(table), [])
      }),
    },
    {
      title:
        'S83: a serialization failure runs the work again if that was declared, and not otherwise',
      run: onTable('id int primary key, n int', { max: 2 }, async (pool, table, test) => {
        await pool.query(`insert into ${table} values (1, 0)`)
        for (const attempts of [1, 3]) {
          let runs = 0
          const call = pool.transaction(
            async (tx) => {
              runs++
              await tx.query(`select n from ${table}`)
              // Another transaction is faster, once.
              if (runs === 1) await test.server.sql(`update ${table} set n = n + 10`)
              await tx.query(`update ${table} set n = n + 1`)
            },
            { isolation: 'repeatable read', retry: { attempts } },
          )
          if (attempts === 1) await failureOf(call, { code: '40001', executed: 'rolled-back' })
          else await call
          assert.equal(runs, attempts === 1 ? 1 : 2)
        }
        assert.deepEqual(await test.numbersIn(table), [21])
      }),
    },
    {
      title: 'F53: a query after the end of its transaction is refused',
      run: onTable('n int', { max: 1 }, async (pool, table, test) => {
        const kept = await pool.transaction(async (tx) => {
          await tx.query(`insert into ${table} values (1)`)
          return [tx]
        })
        await failureOf(kept[0]!.query(`insert into ${table} values (2)`), {
          name: 'TransactionError',
          executed: 'no',
        })
        assert.deepEqual(await test.numbersIn(table), [1])
      }),
    },
    {
      title: 'F53: statements that were not awaited never run outside their transaction',
      run: onTable('n int', { max: 1 }, async (pool, table, test) => {
        const own = new Error('gave up')
        const floating: Promise<unknown>[] = []
        const call = pool.transaction(async (tx) => {
          for (const text of [SLEEP, `insert into ${table} values (1)`]) {
            floating.push(tx.query(text).catch((error: Error) => error))
          }
          throw own
        })
        assert.equal(await failureOf(call), own)
        for (const outcome of await Promise.all(floating)) assert.ok(outcome instanceof Error)
        assert.deepEqual(await test.numbersIn(table), [])
      }),
    },
    {
      title:
        'F54: a transaction is ended by its signal and by its deadline, rolled back, and its connection serves on',
      run: onTable('n int', { max: 1 }, async (pool, table, test) => {
        const abort = new AbortController()
        const work = async (tx: Transaction): Promise<void> => {
          await tx.query(`insert into ${table} values (1)`)
          await tx.query(SLEEP)
        }
        const aborted = failureOf(pool.transaction(work, { signal: abort.signal }), {
          name: 'AbortError',
          executed: 'rolled-back',
        })
        await test.pidRunning(SLEEP)
        abort.abort()
        await aborted
        await failureOf(pool.transaction(work, { timeoutMs: 100 }), {
          name: 'StatementTimeoutError',
          executed: 'rolled-back',
        })
        await pool.query('select 1')
        assert.deepEqual(await test.numbersIn(table), [])
      }),
    },
    {
      title: 'S80: a transaction that is lost before its COMMIT is known not to have happened',
      run: onTable('n int', { max: 1 }, async (pool, table, test) => {
        const call = pool.transaction(async (tx) => {
          await tx.query(`insert into ${table} values (1)`)
          await test.terminatePid(await test.pidOf(tx))
          await tx.query(`insert into ${table} values (2)`)
        })
        await failureOf(call, { name: 'ConnectionLostError', executed: 'rolled-back' })
        await pool.query('select 1')
        assert.deepEqual(await test.numbersIn(table), [])
      }),
    },
    ...IN_DOUBT.map(([title, lose, left]) => ({
      title,
      run: onTable('n int', { max: 1 }, async (pool, table, test) => {
        const text = `insert into ${table} values (1)`
        const count = test.countOf(text)
        const work = async (tx: Transaction): Promise<void> => {
          await tx.query(text)
          // What a pool may send before the transaction has a COMMIT of its own.
          lose(test.line)
        }
        const call = pool.transaction(work, { retry: { attempts: 3 } })
        await failureOf(call, { name: 'InDoubtError', executed: 'unknown' })
        assert.equal(count(), 1)
        assert.deepEqual(await test.numbersIn(table), left)
      }),
    })),
  ],
}
