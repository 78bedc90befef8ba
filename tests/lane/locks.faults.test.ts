import { type ConnectionPool, createPool } from '@poolhouse/core'
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { Stopwatch } from '../support/clocks/stopwatch.js'
import { DRIVERS } from '../support/drivers.js'
import { guardProcess } from '../support/process-guards.js'
import { testServer } from '../support/servers/test-server.js'
import { until } from '../support/until.js'
import { ask, learn, makeNumbers, outcomes } from './shared-calls.js'

guardProcess()
const server = testServer()
beforeAll(async () => {
  await makeNumbers(server)
  await server.sql('create table locked as select 1 as n')
  await server.sql('grant all on locked to public')
})

const LOCKED = 'select n from locked'
const waitsForLock = async (): Promise<boolean> =>
  (await server.sessions(`wait_event_type = 'Lock'`)) > 0

describe.each(DRIVERS)('a shared call that waits for a lock, over $driver', ({ make }) => {
  const openPool = server.poolsOver(make())

  /** Another pool, whose transaction keeps the table to itself until the result is called. */
  const lockTable = async (): Promise<() => void> => {
    const pool = createPool({ driver: make(), connection: server.url, max: 1 })
    onTestFinished(() => pool.close({ timeoutMs: 0 }))
    let release = (): void => {}
    let isLocked = (): void => {}
    const locked = new Promise<void>((resolve) => {
      isLocked = resolve
    })
    const over = pool.transaction(async (tx) => {
      await tx.query('lock table locked in access exclusive mode')
      isLocked()
      await new Promise<void>((resolve) => {
        release = resolve
      })
    })
    await locked
    onTestFinished(async () => {
      release()
      await over.catch(() => undefined)
    })
    return () => release()
  }

  const open = async (max: number): Promise<ConnectionPool> => {
    const pool = openPool({ max, multiplex: { connections: 1 } })
    await learn(pool)
    await learn(pool, LOCKED, [])
    return pool
  }

  it('T111: keeps quick calls that were sent behind it for less than 1.5 s', async () => {
    const pool = await open(3)
    const release = await lockTable()
    using watch = new Stopwatch()
    const blocked = pool.query(LOCKED)
    const behind = Array.from({ length: 20 }, (_, n) => ask(pool, n))
    expect(await outcomes(behind)).toEqual(behind.map(() => 'ok'))
    expect(watch.elapsedMs).toBeLessThan(1_500)
    // It waits on a connection of its own now, and others are not kept.
    await until(waitsForLock, 'it to wait for its lock')
    const later = Array.from({ length: 20 }, (_, n) => ask(pool, n))
    expect(await outcomes(later)).toEqual(later.map(() => 'ok'))
    release()
    expect((await blocked).rows).toEqual([{ n: 1 }])
    expect(pool.stats().counters).toMatchObject({ errors: 0, timeouts: 0 })
  })

  it('T111: whose holder waits for a shared call behind it ends within 2 s', async () => {
    const pool = await open(4)
    using watch = new Stopwatch()
    // The server sees no deadlock: the holder waits for its own application.
    const [blocked] = await pool.transaction(async (tx) => {
      await tx.query('lock table locked in access exclusive mode')
      const call = pool.query(LOCKED)
      expect(await outcomes([ask(pool, 5)], 5)).toEqual(['ok'])
      return [call]
    })
    expect((await blocked!).rows).toEqual([{ n: 1 }])
    expect(watch.elapsedMs).toBeLessThan(2_000)
  })

  it('T111: many of them leave the quick ones a connection', async () => {
    const pool = await open(6)
    const release = await lockTable()
    using watch = new Stopwatch()
    const blocked = Array.from({ length: 4 }, () => pool.query(LOCKED))
    const behind = Array.from({ length: 20 }, (_, n) => ask(pool, n))
    expect(await outcomes(behind)).toEqual(behind.map(() => 'ok'))
    // The text of the first has told of the others, each of which costs a cancel request.
    expect(watch.elapsedMs).toBeLessThan(3_500)
    release()
    for (const { rows } of await Promise.all(blocked)) expect(rows).toEqual([{ n: 1 }])
  })
})
