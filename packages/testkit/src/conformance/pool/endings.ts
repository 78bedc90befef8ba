import assert from 'node:assert/strict'
import { isPoolhouseError } from '@poolhouse/core'
import { failureOf } from '../run/expectations.js'
import { assertTook, until, within } from '../run/waiting.js'
import { onPool, onTable, type PoolArea } from './pool-context.js'

const SLEEP = 'select pg_sleep(20)'

/** Losing connections, and closing. */
export const endings: PoolArea = {
  area: 'loss and close',
  cases: [
    {
      title: 'F09: idle connections that an administrator ends are not felt by the next calls',
      needs: ['lease'],
      run: onPool({ max: 2 }, async (pool, test) => {
        for (let round = 0; round < 3; round++) {
          const before = pool.stats().counters.destroyed
          await test.terminatePid(await pool.use((lease) => test.pidOf(lease)))
          await until(() => pool.stats().counters.destroyed > before, 'the loss to be noticed')
          await pool.query('select 1')
        }
      }),
    },
    {
      title: 'F09: a write that is lost in mid-flight is unknown, and is not sent again',
      needs: ['write', 'lone'],
      run: onTable('n int', { max: 1 }, async (pool, table, test) => {
        const text = `insert into ${table} select 1 from pg_sleep(20)`
        const count = test.countOf(text)
        const call = pool.query(text)
        call.catch(() => {})
        await test.terminatePid(await test.pidRunning(text))
        const error = await failureOf(call, { executed: 'unknown', retryable: false })
        assert.ok(isPoolhouseError(error))
        await pool.query('select 1')
        assert.equal(count(), 1)
      }),
    },
    {
      title: 'F13: after a reset of everything the pool serves again by itself',
      run: onPool({ max: 3 }, async (pool, test) => {
        await Promise.all([1, 2, 3].map(() => pool.query('select pg_sleep(0.02)')))
        test.line.reset()
        await until(
          async () => (await pool.query('select 1').catch(() => undefined)) !== undefined,
          'a call to succeed',
        )
      }),
    },
    {
      title: 'F57: close rejects those who wait, waits for those who hold, and may be called again',
      needs: ['lease', 'close'],
      run: onPool({ max: 1 }, async (pool, test) => {
        const lease = await pool.acquire()
        const waiter = failureOf(pool.acquire(), { name: 'PoolClosedError', executed: 'no' })
        let closed = false
        const closing = Promise.all([pool.close({ timeoutMs: 5_000 }), pool.close()]).then(() => {
          closed = true
        })
        await waiter
        assert.ok(!closed)
        assert.deepEqual((await lease.query('select 1 as n')).rows, [{ n: 1 }])
        lease.release()
        await within(closing, 2_000, 'close')
        for (const call of [() => pool.query('select 1'), () => pool.acquire()]) {
          await failureOf(call(), { name: 'PoolClosedError', executed: 'no' })
        }
        await failureOf(
          pool.transaction(async () => {}),
          { name: 'PoolClosedError' },
        )
        await until(() => test.line.connections === 0, 'the sockets to be closed', 1_000)
        await pool.close()
      }),
    },
    {
      title: 'F57: close ends what is held and what runs at its deadline, and everybody is told',
      needs: ['lease', 'close'],
      run: onPool({ max: 2 }, async (pool, test) => {
        const lease = await pool.acquire()
        const running = pool.query(SLEEP).catch((error: unknown) => error)
        await test.pidRunning(SLEEP)
        const startedAt = performance.now()
        await pool.close({ timeoutMs: 120 })
        assertTook(startedAt, 100)
        assert.ok(isPoolhouseError(await running))
        await failureOf(lease.query('select 1'), { executed: 'no' })
        assert.ok(lease.signal.aborted)
        await until(() => test.line.connections === 0, 'the sockets to be closed', 1_000)
      }),
    },
    {
      title: 'F03, F57: close ends soon after its deadline although the server hangs',
      needs: ['close'],
      run: onPool({ max: 2 }, async (pool, test) => {
        const running = pool.query(SLEEP).catch((error: unknown) => error)
        await test.pidRunning(SLEEP)
        test.line.blackHole()
        await within(pool.close({ timeoutMs: 100 }), 2_100, 'close')
        assert.ok(isPoolhouseError(await running))
      }),
    },
    {
      title: 'F60: a closed pool leaves no timer and no socket behind',
      needs: ['close'],
      async run(test) {
        const kinds = (): string[] =>
          process
            .getActiveResourcesInfo()
            .filter((kind) => kind === 'Timeout' || kind === 'TCPSocketWrap')
        const before = kinds().length
        const pool = await test.pool({ max: 3 })
        await Promise.all([1, 2, 3].map(() => pool.query('select 1')))
        await pool.transaction((tx) => tx.query('select 1'))
        await pool.close()
        await until(() => kinds().length <= before, 'timers and sockets to go', 2_000)
      },
    },
    {
      title:
        'X02: a storm of calls that fail, are aborted and are given up leaves the pool as it was',
      seeded: true,
      timeoutMs: 30_000,
      needs: ['write', 'lease', 'stream', 'lone'],
      run: onTable('n int', { max: 3 }, async (pool, table, test) => {
        const kinds: (() => Promise<unknown>)[] = [
          () => pool.query('select 1'),
          () => pool.query('select 1/0'),
          () => pool.query('select pg_sleep(0.005)', [], { signal: AbortSignal.timeout(3) }),
          () => pool.query('select pg_sleep(0.02)', [], { timeoutMs: 10 }),
          () => pool.use((lease) => lease.query(`set work_mem = '9MB'`)),
          () => pool.use((lease) => lease.query(`begin; insert into ${table} values (1)`)),
          async () => (await pool.acquire()).destroy('why not'),
          () => pool.transaction((tx) => tx.query('select 1/0')),
          async () => {
            for await (const _row of pool.stream('select generate_series(1, 999)')) break
          },
        ]
        const calls = Array.from({ length: 250 }, async () => {
          await new Promise((resolve) => setTimeout(resolve, test.random() * 300))
          await kinds[Math.floor(test.random() * kinds.length)]!().catch((error: unknown) => {
            assert.ok(isPoolhouseError(error), String(error))
          })
        })
        await within(Promise.all(calls), 20_000, 'the storm')
        await until(() => pool.stats().leased === 0, 'every lease to come back')
        assert.deepEqual(await test.numbersIn(table), [])
        const { rows } = await pool.query(
          `select current_setting('work_mem') as m, now() = statement_timestamp() as alone`,
        )
        assert.deepEqual(rows, [{ m: '4MB', alone: true }])
      }),
    },
  ],
}
