import assert from 'node:assert/strict'
import type { Lease } from '@poolhouse/core'
import { failureOf } from '../run/expectations.js'
import { assertTook, until, within } from '../run/waiting.js'
import { SESSION_CHANGES, SESSION_STATE } from '../session/session-changes.js'
import { onPool, onTable, type PoolArea, type PoolContext } from './pool-context.js'

const SLEEP = 'select pg_sleep(20)'

const CHANGES: typeof SESSION_CHANGES = [
  ...SESSION_CHANGES,
  [
    'a setting changed inside DO',
    `do $$ begin perform set_config('work_mem', '64MB', false); end $$`,
  ],
  ['an open transaction', 'begin', `set local work_mem = '64MB'`],
  ['an open transaction and more', 'begin', 'set role pg_monitor', 'select pg_advisory_lock(42)'],
]

async function stateOf(lease: Lease): Promise<unknown> {
  return (await lease.query(SESSION_STATE)).rows[0]
}

/** Connections that callers hold. */
export const leases: PoolArea = {
  area: 'leases',
  needs: ['lease'],
  cases: [
    {
      title:
        'use lends one connection to its work, gives its result, and takes the connection back',
      run: onPool({ max: 1 }, async (pool, test) => {
        const pids = await pool.use(async (lease) => [
          await test.pidOf(lease),
          await test.pidOf(lease),
        ])
        assert.equal(pids[0], pids[1])
        assert.equal(await test.pidOf(pool), pids[0])
        assert.equal(pool.stats().leased, 0)
      }),
    },
    {
      title: 'F52: use gives the error of its work as it is, and takes the connection back',
      run: onPool({ max: 1 }, async (pool) => {
        const own = new Error('no stock')
        const throwing = (): Promise<never> => {
          throw own
        }
        const rejecting = async (lease: Lease): Promise<never> => {
          await lease.query('select 1')
          throw own
        }
        for (const work of [throwing, rejecting]) {
          assert.equal(await failureOf(pool.use(work)), own)
        }
        await pool.query('select 1')
        assert.equal(pool.stats().leased, 0)
      }),
    },
    {
      title: 'F47: waiters are served in the order of their calls',
      // A read whose replica is suddenly not to be had goes elsewhere, past those that wait there.
      needs: ['primary'],
      run: onPool({ max: 1 }, async (pool) => {
        const first = await pool.acquire()
        const order: number[] = []
        const waiting = [1, 2, 3, 4].map((n) =>
          pool.use(async (lease) => {
            await lease.query('select 1')
            order.push(n)
          }),
        )
        first.release()
        await Promise.all(waiting)
        assert.deepEqual(order, [1, 2, 3, 4])
      }),
    },
    {
      title: 'F47: a wait ends at its deadline with an AcquireTimeoutError, and nothing was sent',
      run: onPool({ max: 1, acquireTimeoutMs: 120 }, async (pool) => {
        const lease = await pool.acquire()
        for (const call of [() => pool.acquire(), () => pool.query('select 1')]) {
          const startedAt = performance.now()
          await failureOf(call(), { name: 'AcquireTimeoutError', executed: 'no', retryable: true })
          assertTook(startedAt, 115)
        }
        lease.release()
        await pool.query('select 1')
      }),
    },
    {
      title: 'F55: an aborted wait leaves the queue, and those behind it move up',
      run: onPool({ max: 1 }, async (pool) => {
        const lease = await pool.acquire()
        const abort = new AbortController()
        const given = failureOf(pool.acquire({ signal: abort.signal }), {
          name: 'AbortError',
          executed: 'no',
          cause: 'enough',
        })
        const behind = pool.query('select 2 as n')
        abort.abort('enough')
        await given
        lease.release()
        assert.deepEqual((await behind).rows, [{ n: 2 }])
      }),
    },
    {
      title: 'F49: a second release does nothing to the next holder',
      needs: ['lone'],
      run: onPool({ max: 1 }, async (pool) => {
        const first = await pool.acquire()
        first.release()
        const second = await pool.acquire()
        await second.query('begin')
        first.release()
        first.destroy('late')
        await first[Symbol.asyncDispose]()
        const { rows } = await second.query('select now() = statement_timestamp() as alone')
        assert.deepEqual(rows, [{ alone: false }])
        await second.query('commit')
        second.release()
      }),
    },
    {
      title: 'F50: a lease refuses every use after its release',
      needs: ['stream'],
      run: onPool({ max: 1 }, async (pool) => {
        const lease = await pool.acquire()
        lease.release()
        await failureOf(lease.query('select 1'), { name: 'LeaseReleasedError', executed: 'no' })
        assert.throws(() => lease.raw, { name: 'LeaseReleasedError' })
        assert.ok(lease.signal.aborted)
        const iterate = async (): Promise<unknown> => lease.stream('select 1').next()
        await failureOf(iterate(), { name: 'LeaseReleasedError', executed: 'no' })
      }),
    },
    {
      title:
        'F50: a lease that is released with a statement under way is not lent before that is over',
      needs: ['write'],
      run: onTable('n int', { max: 1 }, async (pool, table, test) => {
        const lease = await pool.acquire()
        const running = lease.query(SLEEP).catch((error: Error) => error)
        const queued = failureOf(lease.query(`insert into ${table} values (1)`), { executed: 'no' })
        await test.pidRunning(SLEEP)
        lease.release()
        await queued
        await pool.query('select 1')
        assert.ok((await running) instanceof Error)
        assert.deepEqual(await test.numbersIn(table), [])
      }),
    },
    {
      title: 'a lease that is destroyed takes its connection with it',
      run: onPool({ max: 1 }, async (pool, test) => {
        const lease = await pool.acquire()
        const pid = await test.pidOf(lease)
        lease.destroy('not trusted')
        assert.notEqual(await test.pidOf(pool), pid)
      }),
    },
    {
      title: 'a lease goes back at the end of an await using block',
      run: onPool({ max: 1 }, async (pool) => {
        {
          await using lease = await pool.acquire()
          await lease.query('select 1')
        }
        await within(pool.query('select 1'), 2_000, 'the next call')
      }),
    },
    {
      title: 'F09: the signal of a lease fires when its session dies',
      run: onPool({ max: 1 }, async (pool, test) => {
        const lease = await pool.acquire()
        const { signal } = lease
        assert.ok(!signal.aborted)
        await test.terminatePid(lease.info.backendPid)
        await until(() => signal.aborted, 'the signal')
        await failureOf(lease.query('select 1'), { name: 'ConnectionLostError', executed: 'no' })
        lease.release()
        await pool.query('select 1')
      }),
    },
    ...CHANGES.map(([what, ...texts]) => ({
      title: `X01, X02: a connection does not show ${what} to its next borrower`,
      needs: ['write'] as const,
      async run(test: PoolContext) {
        await test.server.sql(`grant pg_monitor to ${test.server.user}`)
        const pool = await test.pool({ max: 1 })
        const before = await pool.use(stateOf)
        await pool.use(async (lease) => {
          for (const text of texts) await lease.query(text)
          assert.notDeepEqual(await stateOf(lease), before)
        })
        assert.deepEqual(await pool.use(stateOf), before)
      },
    })),
    {
      title: 'X02: a failed transaction that was left open is rolled back before the next borrower',
      needs: ['write'],
      run: onTable('n int', { max: 1 }, async (pool, table, test) => {
        await pool.use(async (lease) => {
          await lease.query('begin')
          await lease.query(`insert into ${table} values (1)`)
          await failureOf(lease.query('select 1/0'))
        })
        assert.deepEqual((await pool.query('select 1 as n')).rows, [{ n: 1 }])
        assert.deepEqual(await test.numbersIn(table), [])
      }),
    },
  ],
}
