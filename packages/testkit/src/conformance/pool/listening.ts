import assert from 'node:assert/strict'
import type { Gap } from '@poolhouse/core'
import { failureOf } from '../run/expectations.js'
import { turns, until } from '../run/waiting.js'
import { onPool, type PoolArea } from './pool-context.js'

/** Subscriptions to channels. */
export const subscriptions: PoolArea = {
  area: 'listen',
  needs: ['listen'],
  cases: [
    {
      title: 'a subscription hears what is notified on its channel, and nothing once it is closed',
      needs: ['write'],
      run: onPool({}, async (pool) => {
        const heard: [string, string][] = []
        const channel = 'Two words "quoted"'
        const subscription = await pool.listen(channel, (payload, on) => heard.push([on, payload]))
        assert.ok(subscription.listening)
        await pool.query('select pg_notify($1, $2)', [channel, 'one'])
        await pool.query('notify other')
        await pool.query('select pg_notify($1, $2)', [channel, ''])
        await until(() => heard.length === 2, 'the notifications')
        await subscription.close()
        await subscription.close()
        await pool.query('select pg_notify($1, $2)', [channel, 'late'])
        await turns(5)
        assert.deepEqual(heard, [
          [channel, 'one'],
          [channel, ''],
        ])
        assert.ok(subscription.closed)
      }),
    },
    {
      title:
        'F09: a subscription survives the loss of its connection and tells of the gap before what follows it',
      needs: ['write'],
      run: onPool({}, async (pool, test) => {
        const heard: string[] = []
        const gaps: Gap[] = []
        const subscription = await pool.listen('news', (payload) => heard.push(payload), {
          onGap: (gap) => {
            gaps.push(gap)
            heard.push('gap')
          },
        })
        await pool.query(`notify news, 'before'`)
        await until(() => heard.length === 1, 'the first notification')
        await test.server.sql(
          `select pg_terminate_backend(pid) from pg_stat_activity
            where usename = $1 and pid <> pg_backend_pid() and query ilike 'listen%'`,
          [test.server.user],
        )
        await until(() => heard.includes('gap'), 'the gap')
        await until(() => subscription.listening, 'the subscription to listen again')
        await pool.query(`notify news, 'after'`)
        await until(() => heard.includes('after'), 'the notification')
        assert.deepEqual(heard, ['before', 'gap', 'after'])
        assert.equal(gaps[0]?.channel, 'news')
        await subscription.close()
      }),
    },
    {
      title: 'a subscription is ended by its signal and with its pool',
      needs: ['close'],
      run: onPool({}, async (pool) => {
        const abort = new AbortController()
        const one = await pool.listen('one', () => {}, { signal: abort.signal })
        const two = await pool.listen('two', () => {})
        abort.abort()
        await until(() => one.closed, 'the first subscription to end')
        await pool.close({ timeoutMs: 1_000 })
        assert.ok(two.closed)
        await failureOf(
          pool.listen('three', () => {}),
          { name: 'PoolClosedError', executed: 'no' },
        )
      }),
    },
    {
      title: 'wrong arguments of listen reject with a TypeError or a RangeError',
      run: onPool({}, async (pool) => {
        const wrong: (() => unknown)[] = [
          () => pool.listen('', () => {}),
          () => pool.listen('x'.repeat(64), () => {}),
          () => pool.listen('news', undefined as never),
        ]
        for (const call of wrong) {
          const error = await failureOf((async () => call())())
          assert.ok(error instanceof TypeError || error instanceof RangeError, String(error))
        }
      }),
    },
  ],
}
