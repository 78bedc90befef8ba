import assert from 'node:assert/strict'
import { isPoolhouseError, type Pool } from '@poolhouse/core'
import { failureOf } from '../run/expectations.js'
import { within } from '../run/waiting.js'
import { onPool, onTable, type PoolArea, type PoolCase } from './pool-context.js'

/** What a pool that offers less says to a call that it does not offer. */
async function assertRefuses(
  name: string,
  calls: readonly (() => Promise<unknown>)[],
): Promise<void> {
  for (const call of calls) {
    const error = await within(failureOf(call(), { name, executed: 'no' }), 2_000, 'the refusal')
    assert.ok(isPoolhouseError(error))
    // A message that only says "no" leaves its reader where they were.
    assert.match(error.message, /;|, but |: |use /, error.message)
  }
}

const first = async (iterate: () => AsyncIterator<unknown>): Promise<unknown> => iterate().next()

const REFUSED: readonly [
  feature: PoolCase['lacks'] & string,
  title: string,
  error: string,
  calls: (pool: Pool, table: string) => readonly (() => Promise<unknown>)[],
][] = [
  [
    'lease',
    'a pool that lends no connection says so, and what to use instead',
    'SessionStateError',
    (pool) => [() => pool.acquire(), () => pool.use((lease) => lease.query('select 1'))],
  ],
  [
    'stream',
    'a pool that streams nothing says so, and what to use instead',
    'SessionStateError',
    (pool, table) => [
      () => first(() => pool.stream('select 1')),
      () => first(() => pool.copyTo(`copy ${table} to stdout`)),
      () => pool.copyFrom(`copy ${table} from stdin`, ['1\n']),
    ],
  ],
  [
    'listen',
    'a pool that listens to nothing says so, and what to use instead',
    'SessionStateError',
    (pool) => [() => pool.listen('news', () => {})],
  ],
  [
    'write',
    'a pool for reads refuses what is declared a write before it is sent, and says what to use instead',
    'ReadIntentError',
    (pool) => [
      () => pool.query('select 1', [], { intent: 'write' }),
      () => pool.transaction((tx) => tx.query('select 1'), { readOnly: false }),
    ],
  ],
]

/** What a pool does not offer, it refuses clearly. */
export const refusals: PoolArea = {
  area: 'what is not offered',
  cases: [
    ...REFUSED.map(
      ([lacks, title, error, calls]): PoolCase => ({
        title,
        lacks,
        run: onTable('n int', {}, async (pool, table, test) => {
          await assertRefuses(error, calls(pool, table))
          assert.deepEqual(await test.numbersIn(table), [])
          await pool.query('select 1')
        }),
      }),
    ),
    {
      title: 'a pool for reads lends no connection for writes, and streams none',
      lacks: 'write',
      needs: ['lease', 'stream'],
      run: onTable('n int', {}, async (pool, table, test) => {
        await assertRefuses('ReadIntentError', [
          () => pool.acquire({ intent: 'write' }),
          () => pool.use(async () => {}, { intent: 'write' }),
          () => first(() => pool.stream('select 1', [], { intent: 'write' })),
          () => first(() => pool.copyTo(`copy ${table} to stdout`, { intent: 'write' })),
          () => pool.copyFrom(`copy ${table} from stdin`, ['1\n']),
        ])
        assert.deepEqual(await test.numbersIn(table), [])
      }),
    },
    {
      title: 'a pool for reads does not write, whatever the text says',
      lacks: 'write',
      run: onTable('n int', {}, async (pool, table, test) => {
        const text = `insert into ${table} values (1)`
        const expected = { executed: /^(no|rolled-back)$/ }
        await failureOf(pool.query(text), expected)
        await failureOf(
          pool.transaction((tx) => tx.query(text)),
          expected,
        )
        assert.deepEqual(await test.numbersIn(table), [])
        await pool.query('select 1')
      }),
    },
    {
      title: 'closing a view refuses its later calls, and closes nothing else',
      lacks: 'close',
      run: onPool({ max: 1 }, async (pool) => {
        const { total } = pool.stats()
        await pool.close()
        await pool.close()
        for (const call of [
          () => pool.query('select 1'),
          () => pool.transaction((tx) => tx.query('select 1')),
          () => pool.ready(),
        ]) {
          await failureOf(call(), { name: 'PoolClosedError', executed: 'no' })
        }
        assert.equal(pool.stats().total, total)
      }),
    },
  ],
}
