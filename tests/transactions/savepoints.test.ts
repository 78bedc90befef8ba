import { type ConnectionPool, createPool, type Transaction } from '@poolhouse/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { everyServer } from '../support/every-server.js'
import { failureOf } from '../support/failure-of.js'

describe.each(everyServer())(
  'savepoints over $driver on PostgreSQL $version',
  ({ make, cluster }) => {
    let pool: ConnectionPool
    beforeAll(async () => {
      const { primary } = await cluster()
      await primary.sql('drop table if exists t05; create table t05 (n int primary key)')
      await primary.sql('grant all on t05 to public')
      pool = createPool({ driver: make(), connection: primary.url, max: 2 })
    })
    afterAll(async () => {
      await pool?.close()
    })

    const add = (scope: Transaction, n: number) => scope.query('insert into t05 values ($1)', [n])
    const rows = async (): Promise<number[]> => {
      const { rows: found } = await pool.query<{ n: number }>('select n from t05 order by n')
      await pool.query('delete from t05')
      return found.map(({ n }) => n)
    }
    const failing = (n: number) => async (scope: Transaction) => {
      await add(scope, n)
      await scope.query('select pg_sleep(0.05)')
      throw new Error('on purpose')
    }

    it('T05: the row of a savepoint beside one that fails is there after the commit', async () => {
      const ends = await pool.transaction((tx) =>
        Promise.allSettled([tx.savepoint(failing(1)), tx.savepoint((scope) => add(scope, 2))]),
      )
      expect(ends.map(({ status }) => status)).toEqual(['rejected', 'fulfilled'])
      expect(await rows()).toEqual([2])
    })

    it('T05: so is the row of a plain statement beside it', async () => {
      await pool.transaction(async (tx) => {
        const bad = tx.savepoint(failing(1)).catch(() => {})
        await add(tx, 2)
        await bad
        await tx.copyFrom('copy t05 from stdin', ['3\n'])
      })
      expect(await rows()).toEqual([2, 3])
    })

    it('T05: of many side by side exactly those are kept that succeeded', async () => {
      const ends = await pool.transaction((tx) =>
        Promise.allSettled(
          Array.from({ length: 12 }, (_, n) =>
            n % 3 === 1
              ? tx.savepoint(failing(n))
              : n % 3 === 2
                ? add(tx, n)
                : tx.savepoint((scope) => scope.savepoint((inner) => add(inner, n))),
          ),
        ),
      )
      expect(ends.filter(({ status }) => status === 'rejected')).toHaveLength(4)
      expect(await rows()).toEqual([0, 2, 3, 5, 6, 8, 9, 11])
    })

    it('T05: an outer scope is refused inside a savepoint, and nothing of it is done', async () => {
      await pool.transaction((tx) =>
        tx.savepoint(async (scope) => {
          expect(await failureOf(add(tx, 1))).toMatchObject({
            name: 'TransactionError',
            executed: 'no',
          })
          await add(scope, 2)
        }),
      )
      expect(await rows()).toEqual([2])
    })

    it('T05: what Promise.all gives up with its first error is not committed by halves', async () => {
      const call = pool.transaction((tx) =>
        Promise.all([
          tx.savepoint((scope) => add(scope, 1)),
          tx.savepoint(failing(2)),
          tx.savepoint((scope) => add(scope, 3)),
        ]),
      )
      expect(await failureOf(call)).toMatchObject({ message: 'on purpose' })
      expect(await rows()).toEqual([])
    })

    it('T06: a savepoint that swallows an SQL error rejects and is undone, and the transaction goes on', async () => {
      const error = await pool.transaction(async (tx) => {
        await add(tx, 1)
        const undone = await failureOf(
          tx.savepoint(async (scope) => {
            await add(scope, 2)
            await add(scope, 2).catch(() => {})
            return 'done'
          }),
        )
        await add(tx, 3)
        return undone
      })
      expect(error).toMatchObject({
        name: 'TransactionError',
        executed: 'rolled-back',
        cause: { code: '23505' },
      })
      expect(await rows()).toEqual([1, 3])
    })
  },
)
