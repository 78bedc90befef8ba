import type { ConnectionOptions } from '@poolhouse/core'
import { startFaultProxy } from '@poolhouse/testkit'
import { beforeEach, describe, expect, it } from 'vitest'
import { ADDED_LATENCY_MS } from '../support/added-latency.js'
import { Stopwatch } from '../support/clocks/stopwatch.js'
import { DRIVERS } from '../support/drivers.js'
import { failureOf, tally } from '../support/failure-of.js'
import { guardProcess } from '../support/process-guards.js'
import { PID, testServer } from '../support/servers/test-server.js'
import { until } from '../support/until.js'

guardProcess()
const server = testServer({ settings: { deadlock_timeout: '100ms' } })

beforeEach(async () => {
  await server.sql(
    'drop table if exists work; create table work (id int primary key); grant all on work to app',
  )
})

// What the server allows: longer than a statement is on its way to it, however far away it is.
const LIMIT = `${100 + 4 * ADDED_LATENCY_MS}ms`

const stored = async (): Promise<number[]> =>
  (await server.sql<{ id: number }>('select id from work order by id')).map(({ id }) => id)

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

describe.each(DRIVERS)('work that the server ends, over $driver', ({ make }) => {
  const openPool = server.poolsOver(make())
  const withParameters = (parameters: Record<string, string>, port = server.port) => {
    const { user, database } = server.cluster
    return { host: '127.0.0.1', port, user, database, parameters } satisfies ConnectionOptions
  }
  const idling = { idle_in_transaction_session_timeout: LIMIT }

  it.each([
    { after: 'a statement', again: true },
    { after: 'COMMIT', again: false },
  ])(
    'F36: a transaction that idles for too long is never reported as done, whether $after would come next',
    async ({ again }) => {
      const pool = openPool({ connection: withParameters(idling), max: 1 })
      const error = await failureOf(
        pool.transaction(async (tx) => {
          await tx.query('insert into work values (1)')
          await until(() => pool.stats().counters.destroyed === 1, 'the session to be ended')
          if (again) await tx.query('insert into work values (2)')
        }),
      )
      expect(error).toMatchObject({ name: 'ConnectionLostError', sqlState: '25P03' })
      expect(['no', 'rolled-back']).toContain(error.executed)
      expect(await stored()).toEqual([])
      expect((await pool.query('select 1')).rowCount).toBe(1)
      expect(pool.stats().counters).toMatchObject({ created: 2, destroyed: 1 })
    },
  )

  it('F37: a statement past the limit of the server undoes its transaction and keeps the connection', async () => {
    const connection = withParameters({ statement_timeout: LIMIT })
    const pool = openPool({ connection, max: 1 })
    const before = (await pool.query(PID)).rows
    const error = await failureOf(
      pool.transaction(async (tx) => {
        await tx.query('insert into work values (1)')
        await tx.query('select pg_sleep(30)')
      }),
    )
    expect(error).toMatchObject({ code: '57014', executed: 'rolled-back' })
    expect(await stored()).toEqual([])
    expect((await pool.query(PID)).rows).toEqual(before)
  })

  it('F38: a lock that does not come in time is an error that keeps the connection', async () => {
    const pool = openPool({ connection: withParameters({ lock_timeout: LIMIT }), max: 2 })
    await pool.transaction(async (holder) => {
      await holder.query('lock table work')
      const error = await failureOf(pool.query('insert into work values (1)'))
      expect(error).toMatchObject({ code: '55P03', executed: 'rolled-back', retryable: true })
    })
    expect(pool.stats().counters).toMatchObject({ created: 2, destroyed: 0 })
  })

  it('F38: a deadlock costs one of two transactions its work, which is done again if that was declared', async () => {
    await server.sql('insert into work values (1), (2)')
    const pool = openPool({ connection: withParameters({ timezone: 'UTC' }), max: 2 })
    const transactions = (retry: boolean): Promise<unknown>[] => {
      let waiting = 2
      return [1, -1].map((step) =>
        pool.transaction(
          async (tx) => {
            const [first, second] = step === 1 ? [1, 2] : [2, 1]
            await tx.query('select from work where id = $1 for update', [first])
            waiting--
            await until(() => waiting <= 0, 'the other one')
            await tx.query('select from work where id = $1 for update', [second])
          },
          retry ? { retry: { attempts: 3 } } : {},
        ),
      )
    }
    const outcomes = await Promise.allSettled(transactions(false))
    const refused = outcomes.filter(({ status }) => status === 'rejected')
    expect(refused).toMatchObject([
      { reason: { code: '40P01', executed: 'rolled-back', retryable: true } },
    ])
    expect(await tally(transactions(true))).toEqual({ ok: 2 })
    expect(pool.stats().counters).toMatchObject({ created: 2, destroyed: 0 })
  })

  it('F39: a transaction past the limit of the server is never reported as done', async () => {
    const pool = openPool({ connection: withParameters({ transaction_timeout: LIMIT }), max: 1 })
    const error = await failureOf(
      pool.transaction(async (tx) => {
        await tx.query('insert into work values (1)')
        await tx.query('select pg_sleep(30)')
      }),
    )
    expect(error).toMatchObject({ name: 'ConnectionLostError', sqlState: '25P04' })
    expect(error.executed).toBe('rolled-back')
    expect(await stored()).toEqual([])
    expect((await pool.query('select 1')).rowCount).toBe(1)
  })

  it('F39: an idle session that the server ends fails no call', async () => {
    const connection = withParameters({ idle_session_timeout: LIMIT })
    const pool = openPool({ connection, max: 2 })
    await pool.warm(2)
    await until(() => pool.stats().counters.destroyed === 2, 'the sessions to be ended')
    expect(await tally([1, 2, 3].map(() => pool.query('select 1')))).toEqual({ ok: 3 })
  })

  it('F40: a COMMIT whose answer is lost is unknown, and its work is not done again', async () => {
    await using proxy = await startFaultProxy(server.url)
    const pool = openPool({ connection: withParameters({}, proxy.port), max: 1 })
    let runs = 0
    proxy.dropCommitAnswer()
    const error = await failureOf(
      pool.transaction(
        async (tx) => {
          await tx.query('insert into work values ($1)', [++runs])
        },
        { retry: { attempts: 5 } },
      ),
    )
    expect(error).toMatchObject({ name: 'InDoubtError', executed: 'unknown' })
    await pause(100)
    expect(runs).toBe(1)
    expect(await stored()).toEqual([1])
    expect((await pool.query('select 1')).rowCount).toBe(1)
  })

  it('F41: a COMMIT whose answer never comes is unknown at the deadline, and its connection is given up', async () => {
    await using proxy = await startFaultProxy(server.url)
    const pool = openPool({ connection: withParameters({}, proxy.port), max: 1 })
    await pool.warm(1)
    using watch = new Stopwatch()
    const error = await failureOf(
      pool.transaction(
        async (tx) => {
          await tx.query('insert into work values (1)')
          proxy.blackHole('to-client')
        },
        { timeoutMs: 500, retry: { attempts: 5 } },
      ),
    )
    expect(watch.elapsedMs).toBeLessThan(500 + 250)
    expect(error).toMatchObject({ executed: 'unknown' })
    await until(async () => (await stored()).length === 1, 'the transaction to be committed')
    await proxy.heal()
    expect((await pool.query('select id from work')).rows).toEqual([{ id: 1 }])
    expect(pool.stats().counters.created).toBe(2)
  })
})
