import assert from 'node:assert/strict'
import type { Pool, Transaction } from '@poolhouse/core'
import { failureOf, type Properties } from '../run/expectations.js'
import { assertTook } from '../run/waiting.js'
import { holdAll } from './hold-all.js'
import { onPool, type PoolArea, type PoolCase, type PoolContext } from './pool-context.js'
import type { PoolFeature } from './pool-traits.js'

/** How an attempt of a transaction may end, and whether that is a reason to run its work again. */
interface Ending {
  readonly what: string
  readonly needs?: readonly PoolFeature[]
  readonly repeats: boolean
  readonly expected: Properties
  /** Makes the work that ends like this at each attempt. */
  prepare(test: PoolContext): Promise<(tx: Transaction) => Promise<unknown>>
}

/** A pool whose only connection is taken for as long as the case runs. */
async function exhausted(test: PoolContext): Promise<Pool> {
  const pool = await test.pool({ max: 1, acquireTimeoutMs: 200 })
  const letGo = await holdAll(pool)
  // The pool may have been closed by then.
  test.defer(() => letGo().catch(() => undefined))
  return pool
}

const OWN = { message: 'no stock' }

const ENDINGS: readonly Ending[] = [
  {
    what: 'meets a conflict with other work (40001)',
    needs: ['write'],
    repeats: true,
    expected: { code: '40001', executed: 'rolled-back' },
    async prepare(test) {
      const table = await test.table('id int primary key, n int')
      await test.server.sql(`insert into ${table} values (1, 0)`)
      return async (tx) => {
        await tx.query(`select n from ${table}`)
        await test.server.sql(`update ${table} set n = n + 10`)
        await tx.query(`update ${table} set n = n + 1`)
      }
    },
  },
  {
    what: 'loses its connection before COMMIT',
    repeats: true,
    expected: { name: 'ConnectionLostError', executed: 'rolled-back' },
    async prepare(test) {
      return async (tx) => {
        await test.terminate(tx)
        await tx.query('select 1')
      }
    },
  },
  {
    what: 'finds no connection of another pool in time',
    repeats: false,
    expected: { name: 'AcquireTimeoutError', executed: 'no' },
    async prepare(test) {
      const other = await exhausted(test)
      return () => other.query('select 1')
    },
  },
  {
    what: 'is refused by a constraint',
    needs: ['write'],
    repeats: false,
    expected: { code: '23505', executed: 'rolled-back' },
    async prepare(test) {
      const table = await test.table('n int primary key')
      return async (tx) => {
        for (let n = 0; n < 2; n++) await tx.query(`insert into ${table} values (1)`)
      }
    },
  },
  {
    what: 'fails in the server',
    repeats: false,
    expected: { code: '22012' },
    prepare: async () => (tx) => tx.query('select 1/0'),
  },
  {
    what: 'throws an error of its own',
    repeats: false,
    expected: OWN,
    prepare: async () => async (tx) => {
      await tx.query('select 1')
      throw new Error(OWN.message)
    },
  },
]

/** How often the work of a transaction is run. */
export const retries: PoolArea = {
  area: 'retry',
  cases: [
    ...ENDINGS.map(
      ({ what, needs = [], repeats, expected, prepare }): PoolCase => ({
        title: `T18: work that ${what} is run ${repeats ? 'as often as declared' : 'once, whatever was declared'}`,
        needs,
        async run(test) {
          const work = await prepare(test)
          const pool = await test.pool({ max: 2 })
          for (const attempts of [1, 2, 3]) {
            let runs = 0
            const call = pool.transaction(
              (tx) => {
                runs++
                return work(tx)
              },
              { isolation: 'repeatable read', retry: { attempts } },
            )
            await failureOf(call, expected)
            assert.equal(runs, repeats ? attempts : 1, `runs with ${attempts} attempts`)
          }
          await pool.query('select 1')
        },
      }),
    ),
    {
      title:
        'T18: work that succeeds after two lost connections is run three times, and commits once',
      run: onPool({ max: 2 }, async (pool, test) => {
        let runs = 0
        const result = await pool.transaction(
          async (tx) => {
            if (++runs < 3) await test.terminate(tx)
            return (await tx.query('select 1 as n')).rows
          },
          { retry: { attempts: 5 } },
        )
        assert.deepEqual(result, [{ n: 1 }])
        assert.equal(runs, 3)
      }),
    },
    {
      title: 'T18: a transaction that finds no connection waits once, and its work is not run',
      async run(test) {
        const pool = await exhausted(test)
        let runs = 0
        const startedAt = performance.now()
        await failureOf(
          pool.transaction(
            async () => {
              runs++
            },
            { retry: { attempts: 3 } },
          ),
          { name: 'AcquireTimeoutError', executed: 'no' },
        )
        assertTook(startedAt, 195)
        assert.equal(runs, 0)
      },
    },
    {
      title: 'T18: a transaction that is aborted is not run again',
      run: onPool({ max: 2 }, async (pool, test) => {
        const abort = new AbortController()
        let runs = 0
        const call = pool.transaction(
          async (tx) => {
            runs++
            await test.terminate(tx)
            abort.abort('enough')
            await tx.query('select 1')
          },
          { retry: { attempts: 3 }, signal: abort.signal },
        )
        await failureOf(call)
        assert.equal(runs, 1)
      }),
    },
  ],
}
