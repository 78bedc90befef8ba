import { expect, test } from 'vitest'
import { readPoolOptions } from '../../../src/api/pool-config.js'
import {
  ConnectionLostError,
  DatabaseError,
  type PoolerEvent,
  type PoolOptions,
  SessionStateError,
} from '../../../src/index.js'
import { fakeDriver, virtualClock } from '../../../src/testing/index.js'
import { type Harness, harness, watch } from '../../harness.js'

const bouncing = { answeringPid: (): number => 4711 }

test('T01: a pooler is noticed with the first connection, before its first statement', async () => {
  const { clock, pool, session } = harness({ max: 1 }, bouncing)
  const events: PoolerEvent[] = []
  pool.on('pooler', (event) => events.push(event))
  expect(pool.pooler).toBeUndefined()
  const refused = watch(pool.query('set a.b = 1'))
  await clock.settle()
  expect(refused.error).toBeInstanceOf(SessionStateError)
  expect(refused.error!.message).toMatch(/as noticed when connecting .*pooler: 'none'/)
  expect(session().statements).toEqual([])
  expect(pool.pooler).toBe('noticed')
  expect(pool.inspect().pooler).toBe('noticed')
  expect(events).toEqual([
    {
      pool: 'test',
      announcedPid: 1,
      answeringPid: 4711,
      oneSession: false,
      message: expect.any(String),
    },
  ])
  expect(events[0]!.message).toMatch(/1 was announced at log-in, and 4711 answered/)
})

test('T01: names of statements are ignored, and the driver gives none by itself', async () => {
  const names: (string | undefined)[] = []
  const { clock, driver, pool, session } = harness(
    { max: 2 },
    {
      ...bouncing,
      onStatement: ({ name }) => {
        names.push(name)
        return undefined
      },
    },
  )
  watch(pool.query({ text: 'select 1', name: 'one' }))
  await clock.settle()
  expect(session().names).toBe(false)
  const leases = [watch(pool.acquire()), watch(pool.acquire())]
  await clock.settle()
  expect(names).toEqual([undefined])
  expect([...driver.open].every((each) => !each.names)).toBe(true)
  for (const { value } of leases) value!.release()
})

test('T01: a pooler that is noticed later holds for existing connections too, and is reported once', async () => {
  const { clock, driver, pool } = harness(
    { max: 3 },
    { answeringPid: ({ info }) => (info.backendPid === 1 ? 1 : 4711) },
  )
  const events: PoolerEvent[] = []
  pool.on('pooler', (event) => events.push(event))
  const first = watch(pool.acquire())
  await clock.settle()
  watch(first.value!.query('set a.b = 1'))
  await clock.settle()
  const [direct] = [...driver.open]
  expect(direct!.names).toBe(true)
  const others = [watch(pool.acquire()), watch(pool.acquire())]
  await clock.settle()
  expect(direct!.names).toBe(false)
  const refused = watch(first.value!.query('listen jobs'))
  await clock.settle()
  expect(refused.error).toBeInstanceOf(SessionStateError)
  // It was changed while that was still allowed; no reset is certain to reach the session.
  for (const { value } of [first, ...others]) value!.release()
  await clock.settle()
  expect(direct!.alive).toBe(false)
  expect(events).toHaveLength(1)
})

test('T01: a session that listens is refused, also as the first thing a pool does', async () => {
  const { clock, pool } = harness({}, bouncing)
  const listening = watch(pool.listen('jobs', () => {}))
  await clock.settle()
  expect(listening.error).toBeInstanceOf(SessionStateError)
  expect(listening.error?.message).toContain("without option pooler: 'none'; use a pool")
  const again = watch(pool.listen('jobs', () => {}))
  await clock.settle()
  expect(again.error).toBeInstanceOf(SessionStateError)
})

test.each([
  [
    'refuses the question',
    new DatabaseError('no such function', { code: '42883', severity: 'ERROR' }),
  ],
  ['has no processes and says 0', 0],
  ['has no processes and says -1', -1],
  ['answers NULL', null],
])('T01: a server that %s is served, without automatic names', async (_what, answer) => {
  const { clock, pool, session } = harness({}, { answeringPid: () => answer })
  const asked = watch(pool.query('set a.b = 1'))
  await clock.settle()
  expect(asked.state).toBe('resolved')
  expect(session().names).toBe(false)
  expect(pool.pooler).toBeUndefined()
})

test('T01: a session that the question ends counts as never opened', async () => {
  const lost = new ConnectionLostError('gone', { executed: 'unknown', sqlState: '57P01' })
  let asked = 0
  const { clock, pool } = harness({}, { answeringPid: () => (asked++ === 0 ? lost : 2) })
  const errors: unknown[] = []
  pool.on('error', ({ error }) => errors.push(error))
  const answered = watch(pool.query('select 1'))
  await clock.settle()
  expect(errors).toMatchObject([{ name: 'ConnectError', sqlState: '57P01', executed: 'no' }])
  await clock.advance(100)
  expect(answered.state).toBe('resolved')
})

test("T01: with pooler 'pgbouncer' nothing is asked, and with 'none' nothing but the server", async () => {
  for (const pooler of ['none', 'pgbouncer'] as const) {
    let asked = 0
    const { clock, pool, session } = harness(
      { pooler },
      {
        answeringPid: () => {
          asked++
          return 4711
        },
      },
    )
    watch(pool.query('select 1'))
    await clock.settle()
    expect(asked).toBe(pooler === 'none' ? 1 : 0)
    expect(session().names).toBe(true)
    expect(pool.pooler).toBe(pooler === 'none' ? undefined : pooler)
  }
})

test("T01: with pooler 'none' everything is as without a pooler, but for a reset of single messages", async () => {
  const { clock, pool, session } = harness({ max: 1, pooler: 'none' }, bouncing)
  const changed = watch(pool.query({ text: 'set a.b = 1', name: 'one' }))
  await clock.settle()
  expect(changed.state).toBe('resolved')
  expect(session().statements).toEqual(['set a.b = 1', 'reset session apart'])
  const config = readPoolOptions({
    driver: fakeDriver({ clock: virtualClock() }),
    connection: { host: 'localhost', user: 'me', parameters: { statement_timeout: 100 } },
    pooler: 'none',
  })
  expect(config.prepare).toBeDefined()
})

const PGLITE = 'PostgreSQL 18.6 (PGlite 0.5.14) on wasm32-unknown-emscripten, 32-bit'

/**
 * A server with one session, at an address of its own: what this process knows of such servers
 * outlives a test.
 */
function pglite(options: Partial<PoolOptions> = {}, host = `pglite-${++hosts}`): Harness {
  return harness(
    { connection: `postgres://me@${host}/app?sslmode=disable`, max: 4, ...options },
    { version: PGLITE, address: null },
  )
}
let hosts = 0

test('T22: a server that has one session for all connections is asked by one of them', async () => {
  const { clock, driver, pool } = pglite()
  const events: PoolerEvent[] = []
  const errors: unknown[] = []
  pool.on('pooler', (event) => events.push(event))
  pool.on('error', (event) => errors.push(event))
  const answers = Array.from({ length: 8 }, () => watch(pool.query('select 1')))
  await clock.settle()
  expect(answers.map(({ state }) => state)).toEqual(Array(8).fill('resolved'))
  expect(driver.open.size).toBe(1)
  expect([...driver.open][0]!.statements).toHaveLength(8)
  expect(pool.stats()).toMatchObject({ total: 1, max: 1 })
  expect(errors).toEqual([])
  expect(events).toMatchObject([{ oneSession: true, message: /max: 1 and pooler: 'none'/ }])
  pool.resize({ max: 10 })
  await Promise.all([pool.query('select 1'), pool.query('select 1'), clock.settle()])
  expect(driver.open.size).toBe(1)
})

test('T22: another pool of the process, and a session beside the pool, are refused while the session is taken', async () => {
  const host = 'pglite-of-two'
  const one = pglite({}, host)
  const other = pglite({ name: 'other' }, host)
  watch(one.pool.query('select 1'))
  await one.clock.settle()
  const refused = watch(other.pool.query('select 1'))
  await other.clock.settle()
  expect(refused.error).toMatchObject({ name: 'ConnectError', fatal: true, executed: 'no' })
  expect(refused.error!.message).toMatch(
    /one session for all its connections.*another pool.*max: 1/,
  )
  expect(other.driver.open.size).toBe(0)
  const beside = watch(one.pool.openSession())
  await one.clock.settle()
  expect(beside.error).toMatchObject({ name: 'ConnectError', fatal: false })
  // The session is free again with its connection.
  watch(one.pool.close())
  await one.clock.settle()
  await other.clock.advance(1_000)
  const later = watch(other.pool.query('select 1'))
  await other.clock.settle()
  expect(later.state).toBe('resolved')
})

test('T22: a connection that replaces the only one waits until that one is gone', async () => {
  const { clock, pool } = pglite()
  for (let n = 0; n < 3; n++) {
    const answer = watch(pool.query('select 1'))
    await clock.advance(1_000)
    expect(answer.state).toBe('resolved')
    watch(pool.recycle())
    await clock.settle()
  }
})
