import type { ConnectionPool } from '@poolhouse/core'
import { beforeAll, describe, expect, it } from 'vitest'
import { DRIVERS } from '../support/drivers.js'
import { guardProcess } from '../support/process-guards.js'
import { testServer } from '../support/servers/test-server.js'
import { until } from '../support/until.js'
import { ask, learn, makeNumbers, outcomes } from './shared-calls.js'

guardProcess()
const server = testServer()
beforeAll(async () => {
  await makeNumbers(server)
  await server.sql(
    `create view marks_session as select set_config('app.mark', 'left behind', false) as was`,
  )
  await server.sql(
    `create view moves_zone as select set_config('TimeZone', 'Asia/Tokyo', false) as was`,
  )
  await server.sql('grant select on marks_session, moves_zone to public')
})

const MARK = `select pg_backend_pid() as pid, current_setting('app.mark', true) as mark`
const ZONE = `select current_setting('TimeZone') as zone`

describe.each(DRIVERS)('what shared calls do to their session, over $driver', ({ make }) => {
  const openPool = server.poolsOver(make())

  /** Shared calls that never stop, until the result is called; it returns how many there were. */
  const keepBusy = (pool: ConnectionPool): (() => Promise<number>) => {
    let isOver = false
    let calls = 0
    const clients = Array.from({ length: 10 }, async (_, n) => {
      while (!isOver) {
        expect(await outcomes([ask(pool, n)], n)).toEqual(['ok'])
        calls++
      }
    })
    return async () => {
      isOver = true
      await Promise.all(clients)
      return calls
    }
  }

  it('T112: what a view sets in it is gone once it was idle for a second', async () => {
    const pool = openPool({ max: 1, multiplex: 'auto' })
    await learn(pool, 'select was from marks_session', [])
    const [calls] = [Array.from({ length: 10 }, () => pool.query('select was from marks_session'))]
    await Promise.all(calls)
    const marked = (await pool.query(MARK)).rows[0]!
    // No text showed it, with a connection of its own or without.
    expect(marked['mark']).toBe('left behind')
    await until(async () => {
      await new Promise((resolve) => setTimeout(resolve, 2_500))
      const { pid, mark } = (await pool.query(MARK)).rows[0]!
      return pid === marked['pid'] && !mark
    }, 'the session to be reset')
    expect(pool.stats().counters.destroyed).toBe(0)
  })

  it('T112: a parameter that the server reports is set back before a lease has the session', async () => {
    const pool = openPool({ max: 1, multiplex: 'auto' })
    const { zone } = (await pool.query(ZONE)).rows[0]!
    await learn(pool, 'select was from moves_zone', [])
    const calls = Array.from({ length: 10 }, () => pool.query('select was from moves_zone'))
    const lease = await pool.acquire()
    expect((await lease.query(ZONE)).rows).toEqual([{ zone }])
    lease.release()
    await Promise.all(calls)
    expect((await pool.query(ZONE)).rows).toEqual([{ zone }])
  })

  it('T112: a parameter that the server reports is set back while calls go on sharing', async () => {
    const pool = openPool({ max: 2, multiplex: 'auto' })
    const { zone } = (await pool.query(ZONE)).rows[0]!
    await learn(pool)
    await learn(pool, 'select was from moves_zone', [])
    const stop = keepBusy(pool)
    await pool.query('select was from moves_zone')
    await until(async () => {
      const zones = await server.cluster.primary.sql('select 1')
      return zones.length === 1
    }, 'a moment')
    await new Promise((resolve) => setTimeout(resolve, 500))
    const leases = [await pool.acquire(), await pool.acquire()]
    for (const lease of leases) {
      expect((await lease.query(ZONE)).rows).toEqual([{ zone }])
      lease.release()
    }
    expect(await stop()).toBeGreaterThan(10)
  })

  it('T112: what a lease sets in it is gone before calls share it', async () => {
    await server.sql('drop schema if exists tenant cascade')
    await server.sql('create schema tenant')
    await server.sql(
      `create table tenant.numbers as select n, 'of the tenant' as name from numbers`,
    )
    await server.sql('grant usage on schema tenant to public')
    await server.sql('grant select on tenant.numbers to public')
    const pool = openPool({ max: 2, multiplex: 'auto' })
    await learn(pool)
    const stop = keepBusy(pool)
    for (let round = 0; round < 30; round++) {
      await pool.use(async (lease) => {
        await lease.query('set search_path = tenant')
        const { rows } = await lease.query('select n, name from numbers where n = $1', [round])
        expect(rows).toEqual([{ n: round, name: 'of the tenant' }])
      })
      await pool.transaction(async (tx) => {
        await tx.query('set local search_path = tenant')
        const { rows } = await tx.query('select n, name from numbers where n = $1', [round])
        expect(rows).toEqual([{ n: round, name: 'of the tenant' }])
      })
    }
    expect(await stop()).toBeGreaterThan(10)
  })

  it('T112: subscriptions hear each notification once beside it', async () => {
    const pool = openPool({ max: 2, multiplex: 'auto' })
    await learn(pool)
    const heard: string[] = []
    const subscription = await pool.listen('lane', (payload) => heard.push(payload))
    const stop = keepBusy(pool)
    for (let n = 0; n < 50; n++) await pool.query('select pg_notify($1, $2)', ['lane', `${n}`])
    await until(() => heard.length >= 50, 'the notifications')
    expect(await stop()).toBeGreaterThan(10)
    expect(heard).toEqual(Array.from({ length: 50 }, (_, n) => `${n}`))
    await subscription[Symbol.asyncDispose]()
  })

  it('T112: a server that changes a parameter of all sessions disturbs none of them', async () => {
    const pool = openPool({ max: 2, multiplex: 'auto' })
    await learn(pool)
    const stop = keepBusy(pool)
    for (const zone of ['Asia/Tokyo', 'America/Lima', 'UTC']) {
      await server.sql(`alter system set timezone = '${zone}'`)
      await server.sql('select pg_reload_conf()')
      await new Promise((resolve) => setTimeout(resolve, 200))
    }
    await server.sql('alter system reset timezone')
    await server.sql('select pg_reload_conf()')
    expect(await stop()).toBeGreaterThan(10)
    expect(pool.stats().counters.errors).toBe(0)
  })

  it.each([
    { prepare: 'auto' },
    { prepare: 'off' },
    { prepare: { maxAgeMs: 0 } },
    { prepare: { maxAgeMs: 20 } },
  ] as const)(
    'T112: statements are parsed anew as often as $prepare says, and each has its own values',
    async ({ prepare }) => {
      const pool = openPool({ max: 2, multiplex: 'auto', prepare })
      await learn(pool)
      for (let round = 0; round < 5; round++) {
        const calls = Array.from({ length: 100 }, (_, n) => ask(pool, n))
        expect(await outcomes(calls)).toEqual(calls.map(() => 'ok'))
        await new Promise((resolve) => setTimeout(resolve, 15))
      }
    },
  )

  it('T112: rows have the columns of the table as it was when they were read', async () => {
    await server.sql('drop table if exists changing')
    await server.sql('create table changing as select 1 as a')
    await server.sql('grant select on changing to public')
    const pool = openPool({ max: 3, multiplex: 'auto' })
    const text = 'select * from changing'
    await learn(pool, text, [])
    let isOver = false
    let calls = 0
    const clients = Array.from({ length: 20 }, async () => {
      while (!isOver) {
        const { rows, fields } = await pool.query(text)
        const names = fields.map(({ name }) => name)
        // Each column holds its own name's length, so that a row read by other columns shows.
        expect(Object.keys(rows[0]!)).toEqual(names)
        for (const name of names) expect(rows[0]![name]).toBe(name.length)
        calls++
      }
    })
    for (let round = 0; round < 15; round++) {
      const name = 'b'.repeat(2 + (round % 5))
      await server.sql(`alter table changing add column ${name} int default ${name.length}`)
      await new Promise((resolve) => setTimeout(resolve, 20))
      await server.sql(`alter table changing drop column ${name}`)
      await server.sql(
        `do $$ begin drop table changing; create table changing as select 1 as a; grant select on changing to public; end $$`,
      )
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    isOver = true
    await Promise.all(clients)
    expect(calls).toBeGreaterThan(20)
    expect(pool.stats().counters.errors).toBe(0)
  })
})
