import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Pool, QueryResult } from '@poolhouse/core'
import { failureOf } from '../run/expectations.js'
import { until } from '../run/waiting.js'
import type { PoolArea, PoolCase, PoolContext } from './pool-context.js'
import type { PoolFeature, PoolReads } from './pool-traits.js'

/** What a read says it accepts. */
interface Bounds {
  readonly maxStalenessMs?: number
  readonly maxStalenessBytes?: number
}

/** What a read says of itself. */
interface Said extends Bounds {
  readonly intent?: 'read' | 'write'
}

/** A way to read: the rows of a statement with one column `n`. */
interface Read {
  readonly what: string
  readonly needs: readonly PoolFeature[]
  numbers(pool: Pool, text: string, said: Said): Promise<number[]>
}

interface Numbers {
  readonly rows: readonly { n: number }[]
}

const numbersOf = ({ rows }: Numbers): number[] => rows.map(({ n }) => n)

async function copied(source: AsyncIterable<Uint8Array>): Promise<number[]> {
  const pieces: Uint8Array[] = []
  for await (const piece of source) pieces.push(piece)
  return Buffer.concat(pieces).toString().trim().split('\n').map(Number)
}

/** Ways that may also be taken undeclared. */
const UNDECLARED: readonly Read[] = [
  {
    what: 'query',
    needs: [],
    numbers: async (pool, text, said) => numbersOf(await pool.query<{ n: number }>(text, [], said)),
  },
  {
    what: 'stream',
    needs: ['stream'],
    async numbers(pool, text, said) {
      const found: number[] = []
      for await (const { n } of pool.stream<{ n: number }>(text, [], said)) found.push(n)
      return found
    },
  },
  {
    what: 'copyTo',
    needs: ['stream'],
    numbers: (pool, text, said) => copied(pool.copyTo(`copy (${text}) to stdout`, said)),
  },
]

/** Every way, declared to be a read. */
const DECLARED: readonly Read[] = [
  ...UNDECLARED.map(
    ({ what, needs, numbers }): Read => ({
      what,
      needs,
      numbers: (pool, text, bounds) => numbers(pool, text, { intent: 'read', ...bounds }),
    }),
  ),
  {
    what: 'transaction',
    needs: [],
    numbers: async (pool, text, bounds) =>
      numbersOf(
        await pool.transaction((tx) => tx.query<{ n: number }>(text), {
          readOnly: true,
          ...bounds,
        }),
      ),
  },
  {
    what: 'transaction of an array',
    needs: [],
    async numbers(pool, text, bounds) {
      const [result] = await pool.transaction([text], { readOnly: true, ...bounds })
      return numbersOf(result as QueryResult<{ n: number }>)
    },
  },
  {
    what: 'acquire',
    needs: ['lease'],
    async numbers(pool, text, bounds) {
      await using lease = await pool.acquire({ intent: 'read', ...bounds })
      return numbersOf(await lease.query<{ n: number }>(text))
    },
  },
  {
    what: 'use',
    needs: ['lease'],
    numbers: async (pool, text, bounds) =>
      numbersOf(
        await pool.use((lease) => lease.query<{ n: number }>(text), {
          intent: 'read',
          ...bounds,
        }),
      ),
  },
]

const BOUNDS: readonly [unit: string, bounds: Bounds][] = [
  ['milliseconds', { maxStalenessMs: 1_000 }],
  ['bytes', { maxStalenessMs: Number.POSITIVE_INFINITY, maxStalenessBytes: 0 }],
  ['both', { maxStalenessMs: 60_000, maxStalenessBytes: 1 }],
]

const UNBOUNDED: Bounds = { maxStalenessMs: Number.POSITIVE_INFINITY }
const OLD = [1]
const NEW = [1, 2]

/**
 * A pool that has a replica on which time stands still, and a statement that shows which server ran
 * it. A read has gone there, in the way of `numbers`.
 */
async function beside(
  test: PoolContext,
  reads?: PoolReads,
  numbers: Read['numbers'] = DECLARED[0]!.numbers,
): Promise<{ pool: Pool; table: string; text: string }> {
  const table = await test.staleTable()
  const pool = await test.pool({}, reads)
  const text = `select n from ${table} order by n`
  // Without this nothing would be proved: as long as nothing is known of the replica, and while a
  // busy machine has no answer of it, every read goes to the primary.
  const route = async (): Promise<boolean> =>
    (await numbers(pool, text, UNBOUNDED)).length === OLD.length
  await until(route, 'an unbounded read to go to the replica')
  return { pool, table, text }
}

/** Reads that say how old an answer may be, beside a replica that stands still. */
export const staleness: PoolArea = {
  area: 'reads and replicas',
  needs: ['replica'],
  cases: [
    ...DECLARED.flatMap(({ what, needs, numbers }) =>
      BOUNDS.map(
        ([unit, bounds]): PoolCase => ({
          title: `T55: ${what} keeps a bound in ${unit}, and without one may be served by a replica that stands still`,
          needs,
          async run(test) {
            const { pool, text } = await beside(test, undefined, numbers)
            assert.deepEqual(await numbers(pool, text, bounds), NEW)
          },
        }),
      ),
    ),
    {
      title:
        'S42: a replica whose replay is paused serves bounded reads no longer than the bound allows',
      async run(test) {
        const table = await test.table('n int')
        await test.server.sql(`insert into ${table} values (1)`)
        const pool = await test.pool()
        const [query] = DECLARED
        const isReplica = 'select pg_is_in_recovery()::int as n'
        const fresh = async (): Promise<boolean> =>
          (await query!.numbers(pool, isReplica, { maxStalenessMs: 5_000 }))[0] === 1
        await until(fresh, 'a bounded read to go to the replica')
        await test.pauseReplay()
        await test.server.sql(`insert into ${table} values (2)`)
        await sleep(400)
        const text = `select n from ${table} order by n`
        assert.deepEqual(await query!.numbers(pool, text, UNBOUNDED), OLD)
        assert.deepEqual(await query!.numbers(pool, text, { maxStalenessMs: 350 }), NEW)
      },
    },
    ...UNDECLARED.map(
      ({ what, needs, numbers }): PoolCase => ({
        title: `T55: a ${what} that reads by its text goes to a replica, and keeps its bound and its intent`,
        needs: ['classify', ...needs],
        async run(test) {
          const { pool, text } = await beside(test, { classify: 'optimistic' }, numbers)
          for (const [, bounds] of BOUNDS) {
            assert.deepEqual(await numbers(pool, text, bounds), NEW)
          }
          assert.deepEqual(await numbers(pool, text, { ...UNBOUNDED, intent: 'write' }), NEW)
        },
      }),
    ),
    {
      title: 'T55: a statement that writes by its text is done on the primary, however it is run',
      needs: ['classify'],
      async run(test) {
        const { pool, table } = await beside(test, { classify: 'optimistic' })
        let id = 2
        for (const { needs, numbers } of UNDECLARED) {
          // COPY from an INSERT exists as well.
          if (!needs.every((need) => test.offers(need))) continue
          id++
          const text = `insert into ${table} values (${id}) returning n`
          assert.deepEqual(await numbers(pool, text, UNBOUNDED), [id])
        }
        assert.equal((await test.numbersIn(table)).at(-1), id)
      },
    },
    ...DECLARED.map(
      ({ what, needs, numbers }): PoolCase => ({
        title: `S29: ${what} that is declared a read does not write, wherever it runs`,
        needs,
        async run(test) {
          const { pool, table } = await beside(test)
          const text = `insert into ${table} values (3) returning n`
          for (const bounds of [UNBOUNDED, { maxStalenessMs: 0 }]) {
            await failureOf(numbers(pool, text, bounds), { executed: /^(no|rolled-back)$/ })
          }
          assert.deepEqual(await test.numbersIn(table), NEW)
        },
      }),
    ),
  ],
}
