import { expect, test } from 'vitest'
import { guardProcess } from '../../support/process-guards.js'
import { until } from '../../support/until.js'
import { BOTH, describePgPools, emitted } from '../support/pg-pools.js'

guardProcess()

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

describePgPools(BOTH, ({ make }) => {
  test('removes a client that is idle for too long', async () => {
    const pool = make({ idleTimeoutMillis: 10 })
    const removed = emitted(pool, 'remove')
    await pool.query('select 1')
    await removed
    expect([pool.totalCount, pool.idleCount]).toEqual([0, 0])
  })

  test('removes an idle client while others are removed for errors', async () => {
    const pool = make({ idleTimeoutMillis: 10 })
    const [one, other] = await Promise.all([pool.connect(), pool.connect()])
    one.release()
    other.release(new Error('no good'))
    await until(() => pool.totalCount === 0)
    expect(pool.idleCount).toBe(0)
  })

  test('opens a new client after all have been removed', async () => {
    const pool = make({ idleTimeoutMillis: 5 })
    for (let turn = 0; turn < 3; turn++) {
      expect((await pool.query('select 1 as n')).rows).toEqual([{ n: 1 }])
      await until(() => pool.totalCount === 0)
    }
  })

  test('keeps a client that is out, however long that is', async () => {
    const pool = make({ idleTimeoutMillis: 5 })
    const client = await pool.connect()
    await pause(50)
    expect([pool.totalCount, pool.idleCount]).toEqual([1, 0])
    expect((await client.query('select 1 as n')).rows).toEqual([{ n: 1 }])
    client.release()
  })

  test('removes no idle client without a limit', async () => {
    const pool = make({ idleTimeoutMillis: 0 })
    await pool.query('select 1')
    await pause(50)
    expect(pool.idleCount).toBe(1)
  })

  test('removes a client at the end of its lifetime, when it is not out', async () => {
    const pool = make({ maxLifetimeSeconds: 0.3, idleTimeoutMillis: 0 })
    const client = await pool.connect()
    await pause(400)
    expect(pool.totalCount).toBe(1)
    client.release()
    await until(() => pool.totalCount === 0)
    await pool.query('select 1')
    expect(pool.totalCount).toBe(1)
    await until(() => pool.totalCount === 0)
    expect(pool.expiredCount).toBe(0)
  })

  test('uses a client maxUses times, and says so', async () => {
    const messages: unknown[] = []
    const pool = make({ max: 1, maxUses: 2, log: (message) => messages.push(message) })
    const first = await pool.connect()
    first.release()
    const second = await pool.connect()
    expect(second).toBe(first)
    second.release()
    const third = await pool.connect()
    expect(third).not.toBe(first)
    third.release()
    await until(() => messages.includes('remove expended client'))
  })

  test('gives a caller who waits a fresh client when the one that comes back is used up', async () => {
    const pool = make({ max: 1, maxUses: 2 })
    const first = await pool.connect()
    const second = pool.connect()
    const third = pool.connect()
    expect(pool.waitingCount).toBe(2)
    first.release()
    expect(await second).toBe(first)
    expect(pool.waitingCount).toBe(1)
    ;(await second).release()
    expect(await third).not.toBe(first)
    ;(await third).release()
  })

  test('removes a client that is used up even if that leaves fewer than min', async () => {
    const pool = make({ max: 1, maxUses: 1 })
    const { rows } = await pool.query('select pg_backend_pid() as pid')
    expect((await pool.query('select pg_backend_pid() as pid')).rows).not.toEqual(rows)
  })
})
