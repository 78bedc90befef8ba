import assert from 'node:assert/strict'
import { failureOf } from '../run/expectations.js'
import { assertTook, within } from '../run/waiting.js'
import { onPool, type PoolArea } from './pool-context.js'

/** Waiting until a pool can do what it is for. */
export const readiness: PoolArea = {
  area: 'ready',
  cases: [
    {
      title:
        'T93: ready resolves for a pool that serves, however many callers wait, and takes no place',
      run: onPool({ max: 1 }, async (pool) => {
        await within(pool.ready(), 5_000, 'ready()')
        await within(
          Promise.all([pool.ready(), pool.ready({ timeoutMs: 5_000 }), pool.query('select 1')]),
          5_000,
          'ready() twice and a call',
        )
        await pool.transaction(async (tx) => {
          await tx.query('select 1')
          // The only connection is in use, which shows that there is one.
          await within(pool.ready(), 5_000, 'ready() beside a transaction')
        })
        assert.deepEqual((await pool.query('select 1 as n')).rows, [{ n: 1 }])
      }),
    },
    {
      title:
        'T93: ready rejects at its time while the server refuses connections, and resolves once it takes them',
      needs: ['primary'],
      run: onPool({ max: 1 }, async (pool, test) => {
        test.line.refuse({ existing: 'reset' })
        await failureOf(pool.query('select 1', [], { timeoutMs: 200 }))
        const startedAt = performance.now()
        await failureOf(pool.ready({ timeoutMs: 150 }), {
          name: /^(AcquireTimeoutError|NoPrimaryError)$/,
          executed: 'no',
        })
        assertTook(startedAt, 145)
        const ready = pool.ready({ timeoutMs: 15_000 })
        await test.line.heal()
        await within(ready, 15_000, 'ready()')
        await pool.query('select 1')
      }),
    },
    {
      title: 'T93: ready is aborted by its signal',
      needs: ['primary'],
      run: onPool({ max: 1 }, async (pool, test) => {
        test.line.refuse({ existing: 'reset' })
        await failureOf(pool.query('select 1', [], { timeoutMs: 200 }))
        const abort = new AbortController()
        const expected = { name: 'AbortError', executed: 'no', cause: 'enough' }
        const aborted = failureOf(pool.ready({ signal: abort.signal }), expected)
        abort.abort('enough')
        await within(aborted, 2_000, 'the aborted ready()')
        await failureOf(pool.ready({ signal: abort.signal }), expected)
        await test.line.heal()
      }),
    },
    {
      title: 'T93: after ready the first bounded read goes to a replica that answers',
      needs: ['replica'],
      run: onPool({}, async (pool) => {
        await pool.ready()
        const { rows } = await pool.query('select pg_is_in_recovery() as replica', [], {
          intent: 'read',
          maxStalenessMs: 5_000,
        })
        assert.deepEqual(rows, [{ replica: true }])
      }),
    },
  ],
}
