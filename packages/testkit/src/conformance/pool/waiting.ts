import assert from 'node:assert/strict'
import type { Pool, StreamIterator } from '@poolhouse/core'
import { failureOf } from '../run/expectations.js'
import { turns, within } from '../run/waiting.js'
import { holdAll } from './hold-all.js'
import { onPool, type PoolArea, type PoolCase, type PoolContext } from './pool-context.js'
import type { PoolFeature } from './pool-traits.js'

/** A call that needs a connection, and undoes nothing if it is never made. */
interface Waiting {
  readonly what: string
  readonly needs: readonly PoolFeature[]
  begin(pool: Pool, table: string, signal?: AbortSignal): Promise<unknown>
}

const COPY = 'copy (select 1) to stdout'

const CALLS: readonly Waiting[] = [
  { what: 'query', needs: [], begin: (pool, _, signal) => pool.query('select 1', [], { signal }) },
  { what: 'acquire', needs: ['lease'], begin: (pool, _, signal) => pool.acquire({ signal }) },
  {
    what: 'use',
    needs: ['lease'],
    begin: (pool, _, signal) => pool.use((lease) => lease.query('select 1'), { signal }),
  },
  {
    what: 'transaction',
    needs: [],
    begin: (pool, _, signal) => pool.transaction((tx) => tx.query('select 1'), { signal }),
  },
  {
    what: 'the first next() of a stream',
    needs: ['stream'],
    begin: (pool, _, signal) => pool.stream('select 1', [], { signal }).next(),
  },
  {
    what: 'the first next() of copyTo',
    needs: ['stream'],
    begin: (pool, _, signal) => pool.copyTo(COPY, { signal }).next(),
  },
  {
    what: 'copyFrom',
    needs: ['stream', 'write'],
    begin: (pool, table, signal) => pool.copyFrom(`copy ${table} from stdin`, ['1\n'], { signal }),
  },
]

const DONE = { done: true, value: undefined }

async function abortsWhileItWaits(test: PoolContext, { begin }: Waiting): Promise<void> {
  const table = await test.table('n int')
  const pool = await test.pool({ max: 1 })
  const letGo = await holdAll(pool)
  const abort = new AbortController()
  const reason = new Error('the user left')
  const expected = { name: 'AbortError', executed: 'no', cause: reason }
  const aborted = failureOf(begin(pool, table, abort.signal), expected)
  const behind = pool.query('select 2 as n')
  await turns(3)
  abort.abort(reason)
  await within(aborted, 2_000, 'the aborted call')
  // An aborted call leaves no waiter.
  await within(failureOf(begin(pool, table, abort.signal), expected), 2_000, 'the second call')
  await letGo()
  assert.deepEqual((await within(behind, 2_000, 'the call behind it')).rows, [{ n: 2 }])
  assert.deepEqual(await test.numbersIn(table), [])
  await pool.query('select 1')
}

const OPENS: Record<'stream' | 'copyTo', (pool: Pool) => StreamIterator<unknown>> = {
  stream: (pool) => pool.stream('select 1'),
  copyTo: (pool) => pool.copyTo(COPY),
}

/** Leaving a queue. */
export const waiting: PoolArea = {
  area: 'waiting',
  cases: [
    ...CALLS.map(
      (call): PoolCase => ({
        title: `F55: an aborted ${call.what} leaves the queue, and the next caller gets its place`,
        needs: call.needs,
        run: (test) => abortsWhileItWaits(test, call),
      }),
    ),
    ...(['stream', 'copyTo'] as const).map(
      (what): PoolCase => ({
        title: `F55: return() of ${what} while its first next() waits ends both at once, and the next caller gets the place`,
        needs: ['stream'],
        run: onPool({ max: 1 }, async (pool) => {
          const letGo = await holdAll(pool)
          const iterator = OPENS[what](pool)
          const first = iterator.next()
          const behind = pool.query('select 2 as n')
          await turns(3)
          assert.deepEqual(await within(iterator.return(), 2_000, 'return()'), DONE)
          assert.deepEqual(await within(first, 2_000, 'next()'), DONE)
          assert.deepEqual(await iterator.next(), DONE)
          await letGo()
          assert.deepEqual((await within(behind, 2_000, 'the call behind it')).rows, [{ n: 2 }])
        }),
      }),
    ),
    {
      title:
        'F55: a listen is aborted while its connection is being opened, and the next one succeeds',
      needs: ['listen', 'primary'],
      run: onPool({}, async (pool, test) => {
        const abort = new AbortController()
        test.line.blackHole()
        const aborted = failureOf(
          pool.listen('news', () => {}, { signal: abort.signal }),
          {
            name: 'AbortError',
            executed: 'no',
            cause: 'enough',
          },
        )
        await turns(3)
        abort.abort('enough')
        await within(aborted, 2_000, 'the aborted call')
        await test.line.heal()
        const subscription = await within(
          pool.listen('news', () => {}),
          10_000,
          'the next subscription',
        )
        await subscription.close()
      }),
    },
  ],
}
