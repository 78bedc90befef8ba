import { setTimeout as sleep } from 'node:timers/promises'
import { beforeAll, describe, expect, it } from 'vitest'
import { DRIVERS } from '../support/drivers.js'
import { testServer } from '../support/servers/test-server.js'
import { ask, COUNT, count, learn, makeNumbers, outcomes } from './shared-calls.js'

const server = testServer()
const ORDERS = 'select count(*)::int as n from orders'
// Some two seconds of a processor.
const LONG = 12_000_000

beforeAll(async () => {
  await makeNumbers(server)
  await server.sql('create table orders (n int)')
  await server.sql('grant all on orders to public')
})

describe.each(DRIVERS)('calls that share are as without sharing, over $driver', ({ make }) => {
  const openPool = server.poolsOver(make())

  it('each is told that its table is gone', async () => {
    await server.sql('create table gone as select 1 as n')
    await server.sql('grant select on gone to public')
    const pool = openPool({ max: 4, multiplex: 'auto' })
    const text = 'select n from gone where n = $1'
    await learn(pool, text, [1])
    await pool.recycle()
    await server.sql('drop table gone')
    const settled = await Promise.allSettled(
      Array.from({ length: 30 }, () => pool.query(text, [1])),
    )
    const codes = settled.map((each) => each.status === 'rejected' && each.reason.code)
    expect(codes).toEqual(codes.map(() => '42P01'))
  })

  it('the pool waits for them when it is closed', async () => {
    const pool = openPool({ max: 4, multiplex: { connections: 1 } })
    await learn(pool)
    await learn(pool, COUNT, [1])
    const long = count(pool, LONG)
    const behind = Array.from({ length: 3 }, (_, n) => ask(pool, n))
    await sleep(10)
    const closed = pool.close()
    expect(await long).toBe(LONG)
    expect(await outcomes(behind)).toEqual(['ok', 'ok', 'ok'])
    await closed
  })

  it('those that wait are served if the pool is closed so', async () => {
    const pool = openPool({ max: 1, multiplex: 'auto' })
    await learn(pool, COUNT, [1])
    const lease = await pool.acquire()
    const calls = Array.from({ length: 6 }, () => count(pool, 40_000))
    const closed = pool.close({ waiters: 'serve' })
    lease.release()
    expect(await Promise.all(calls)).toEqual(calls.map(() => 40_000))
    await closed
  })

  it('keep their order on one connection', async () => {
    const pool = openPool({ max: 1, multiplex: 'auto' })
    await server.sql('truncate orders')
    await learn(pool, ORDERS, [])
    const calls = [
      pool.query(ORDERS),
      pool.query('insert into orders values (1)'),
      pool.query(ORDERS),
    ]
    const [before, , after] = await Promise.all(calls)
    expect([before!.rows, after!.rows]).toEqual([[{ n: 0 }], [{ n: 1 }]])
  })

  it('leave a connection that is reset without plpgsql', async () => {
    await server.sql('revoke usage on language plpgsql from public')
    try {
      const pool = openPool({ max: 2, multiplex: 'auto' })
      await learn(pool)
      await sleep(2_500)
      expect(await outcomes([ask(pool, 1)], 1)).toEqual(['ok'])
      expect(pool.stats().counters.destroyed).toBe(0)
    } finally {
      await server.sql('grant usage on language plpgsql to public')
    }
  })
})
