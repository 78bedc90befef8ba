import assert from 'node:assert/strict'
import { isPoolhouseError, type Pool } from '@poolhouse/core'
import { failureOf } from '../run/expectations.js'
import { holdAll } from './hold-all.js'
import { onPool, type PoolArea } from './pool-context.js'
import type { PoolFeature } from './pool-traits.js'

/** A call that fails. */
interface Failing {
  readonly how: string
  readonly needs: readonly PoolFeature[]
  /** What its error is to say. */
  readonly statement: string
  fail(pool: Pool): Promise<unknown>
}

const TEXT = 'select n from public.poolhouse_nowhere where n = $1'
const COPY_OUT = 'copy public.poolhouse_nowhere to stdout'
const COPY_IN = 'copy public.poolhouse_nowhere from stdin'

async function readAll(source: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of source);
}

const CALLS: readonly Failing[] = [
  { how: 'query', needs: [], statement: TEXT, fail: (pool) => pool.query(TEXT, [1]) },
  {
    how: 'Promise.all',
    needs: [],
    statement: TEXT,
    fail: (pool) => Promise.all([pool.query('select 1'), pool.query(TEXT, [1])]),
  },
  {
    how: 'a declared read',
    needs: [],
    statement: TEXT,
    fail: (pool) => pool.query(TEXT, [1], { intent: 'read' }),
  },
  {
    how: 'transaction',
    needs: [],
    statement: TEXT,
    fail: (pool) => pool.transaction(async (tx) => await tx.query(TEXT, [1])),
  },
  {
    how: 'savepoint',
    needs: [],
    statement: TEXT,
    fail: (pool) => pool.transaction((tx) => tx.savepoint((sp) => sp.query(TEXT, [1]))),
  },
  {
    how: 'use',
    needs: ['lease'],
    statement: TEXT,
    fail: (pool) => pool.use((lease) => lease.query(TEXT, [1])),
  },
  {
    how: 'stream',
    needs: ['stream'],
    statement: TEXT,
    fail: (pool) => readAll(pool.stream(TEXT, [1])),
  },
  {
    how: 'copyTo',
    needs: ['stream'],
    statement: COPY_OUT,
    fail: (pool) => readAll(pool.copyTo(COPY_OUT)),
  },
  {
    how: 'copyFrom',
    needs: ['stream', 'write'],
    statement: COPY_IN,
    fail: (pool) => pool.copyFrom(COPY_IN, ['1\n']),
  },
]

/** Checks that the error of a call shows the code that awaits it. */
async function assertShowsCaller(
  fail: () => Promise<unknown>,
  expected: Record<string, unknown>,
): Promise<void> {
  async function theCaller(): Promise<void> {
    await fail()
  }
  const error = await failureOf(theCaller(), expected)
  assert.ok(isPoolhouseError(error))
  assert.match(error.stack ?? '', /\n +at .*theCaller /)
}

/** A failed call says where. */
export const failures: PoolArea = {
  area: 'what a failed call says',
  cases: [
    ...CALLS.map(({ how, needs, statement, fail }) => ({
      title: `an error of ${how} has the frames of its caller, and the text of the statement`,
      needs,
      run: onPool({}, (pool) => assertShowsCaller(() => fail(pool), { code: '42P01', statement })),
    })),
    {
      title: 'an error of a call that waited in vain has the frames of its caller',
      run: onPool({ max: 1 }, async (pool) => {
        const letGo = await holdAll(pool)
        const [first, second] = [new AbortController(), new AbortController()]
        const expected = { name: 'AbortError', executed: 'no' }
        const waiting = [
          assertShowsCaller(() => pool.query('select 1', [], { signal: first.signal }), expected),
          assertShowsCaller(
            () => pool.transaction((tx) => tx.query('select 1'), { signal: second.signal }),
            expected,
          ),
        ]
        setImmediate(() => {
          first.abort()
          second.abort()
        })
        await Promise.all(waiting)
        await letGo()
      }),
    },
    {
      title:
        'the error of a statement that took too long has the frames of its caller, and the text of the statement',
      run: onPool({}, async (pool) => {
        const statement = 'select pg_sleep(10)'
        const expected = { name: 'StatementTimeoutError', statement }
        await assertShowsCaller(() => pool.query(statement, [], { timeoutMs: 300 }), expected)
      }),
    },
  ],
}
