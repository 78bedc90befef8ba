import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createPool } from '@poolhouse/core'
import { fakeDriver, type VirtualClock, virtualClock } from '@poolhouse/core/testing'
import { afterEach, expect, test } from 'vitest'
import { metricsHandler } from '../../../src/index.js'

const ends: (() => unknown)[] = []

afterEach(async () => {
  for (const end of ends.splice(0)) await end()
})

function poolOf(name: string, clock: VirtualClock = virtualClock(), min = 0) {
  const driver = fakeDriver({ clock, statementMs: 3, connectMs: 20 })
  const connection = 'postgres://app:hunter2@localhost/app'
  const pool = createPool({ driver, connection, name, min, clock, random: () => 0.5 })
  return { clock, driver, pool }
}

/** The samples of a text, by name and labels. */
function samplesOf(text: string): Map<string, number> {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return new Map(
    lines.map((line) => {
      const at = line.lastIndexOf(' ')
      return [line.slice(0, at), Number(line.slice(at + 1))]
    }),
  )
}

test('T124: shows the statistics at the moment of the scrape, with names of the conventions', async () => {
  const { clock, pool } = poolOf('app')
  const handler = metricsHandler(pool)
  const answer = pool.query('update a')
  await clock.advance(100)
  await answer
  const lease = pool.acquire()
  await clock.advance(1)
  await lease
  const text = await handler.metrics()
  const samples = samplesOf(text)
  const of = 'db_client_connection_pool_name="app",database="app"'
  expect(samples.get(`db_client_connection_count{${of},db_client_connection_state="used"}`)).toBe(1)
  expect(samples.get(`db_client_connection_count{${of},db_client_connection_state="idle"}`)).toBe(0)
  expect(samples.get(`db_client_connection_max{${of}}`)).toBe(10)
  expect(samples.get(`db_client_connection_idle_max{${of}}`)).toBe(10)
  const duration = 'db_client_operation_duration_seconds'
  const labels = `db_system_name="postgresql",${of}`
  expect(samples.get(`${duration}_count{${labels}}`)).toBe(1)
  expect(samples.get(`${duration}_sum{${labels}}`)).toBeCloseTo(0.023, 6)
  const bucket = (le: string) =>
    samples.get(`${duration}_bucket{le="${le}",${labels}}`) ??
    samples.get(`${duration}_bucket{${labels},le="${le}"}`)
  expect([bucket('0.02'), bucket('0.05'), bucket('10'), bucket('+Inf')]).toEqual([0, 1, 1, 1])
  expect(text).toContain(`# TYPE ${duration} histogram`)
  expect(text).toContain('# TYPE db_client_connection_timeouts_total counter')
  expect(text).not.toContain('hunter2')
})

test('T124: pools of two names are told apart, and each is exact', async () => {
  const one = poolOf('one')
  const two = poolOf('two')
  const [first, second] = [metricsHandler(one.pool), metricsHandler(two.pool)]
  const warm = [one.pool.warm(3), two.pool.warm(1)]
  await Promise.all([one.clock.advance(100), two.clock.advance(100)])
  await Promise.all(warm)
  const idle = async (handler: typeof first, name: string) =>
    samplesOf(await handler.metrics()).get(
      `db_client_connection_count{db_client_connection_pool_name="${name}",database="${name}",db_client_connection_state="idle"}`,
    )
  expect([await idle(first, 'one'), await idle(second, 'two')]).toEqual([3, 1])
})

test('T124: idle.min is the pool’s min, and another one after a resize', async () => {
  const { clock, pool } = poolOf('app', virtualClock(), 2)
  const handler = metricsHandler(pool)
  const shown = async () =>
    samplesOf(await handler.metrics()).get(
      'db_client_connection_idle_min{db_client_connection_pool_name="app",database="app"}',
    )
  expect(await shown()).toBe(2)
  pool.resize({ max: 10, min: 3 })
  expect(await shown()).toBe(3)
  const closed = pool.close()
  await clock.advance(100)
  await closed
})

test('T124: answers GET and HEAD as a listener of node:http, and refuses other methods', async () => {
  const handler = metricsHandler(poolOf('app').pool, { labels: { service: 'orders' } })
  const server = createServer(handler as RequestListener).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  ends.push(() => new Promise((resolve) => server.close(resolve)))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/metrics`
  const got = await fetch(url)
  expect(got.status).toBe(200)
  expect(got.headers.get('content-type')).toBe(handler.contentType)
  expect(await got.text()).toContain('service="orders"')
  const head = await fetch(url, { method: 'HEAD' })
  expect([head.status, await head.text()]).toEqual([200, ''])
  const post = await fetch(url, { method: 'POST' })
  expect([post.status, post.headers.get('allow')]).toEqual([405, 'GET, HEAD'])
})

test('T124: refuses options that do not exist, wrong labels, and what is no pool', () => {
  const { pool } = poolOf('app')
  expect(() => metricsHandler(pool, { tenant: true } as never)).toThrow('did you mean "tenants"?')
  expect(() => metricsHandler(pool, { labels: { 'a-b': 'c' } })).toThrow('for "a-b"')
  expect(() => metricsHandler(pool, { labels: { a: 1 as never } })).toThrow('got 1 for "a"')
  expect(() => metricsHandler({} as never)).toThrow('observe: give a pool or a manager')
})

test('T124: failovers, holds and other events are counted from 0 on', async () => {
  const { pool } = poolOf('app')
  const listeners = new Map<string, (event: object) => void>()
  const source = Object.assign(Object.create(pool) as typeof pool, {
    query: () => {},
    stats: () => pool.stats(),
    topology: { current: { primary: { id: 'a' }, timeline: 1, nodes: [] } },
    on: (name: string, listener: (event: object) => void) => listeners.set(name, listener),
    off: (name: string) => listeners.delete(name),
  })
  Object.defineProperty(source, 'name', { value: 'app' })
  Object.defineProperty(source, 'inspect', { value: undefined })
  const handler = metricsHandler(source as never)
  const before = samplesOf(await handler.metrics())
  expect(before.get('poolhouse_failovers_total{pool="app"}')).toBe(0)
  expect(before.get('poolhouse_events_total{pool="app",event="split-brain"}')).toBe(0)
  listeners.get('hold')!({ pool: 'app' })
  expect(samplesOf(await handler.metrics()).get('poolhouse_holding{pool="app"}')).toBe(1)
  listeners.get('topology')!({ pool: 'app', snapshot: { primary: undefined } })
  listeners.get('topology')!({ pool: 'app', snapshot: { primary: { id: 'b' } } })
  listeners.get('resume')!({ pool: 'app', held: 7, heldMs: 1_500 })
  listeners.get('split-brain')!({ pool: 'app' })
  const after = samplesOf(await handler.metrics())
  expect(after.get('poolhouse_failovers_total{pool="app"}')).toBe(1)
  expect(after.get('poolhouse_holding{pool="app"}')).toBe(0)
  expect(after.get('poolhouse_hold_time_seconds_sum{pool="app"}')).toBe(1.5)
  expect(after.get('poolhouse_held_calls_total{pool="app"}')).toBe(7)
  expect(after.get('poolhouse_events_total{pool="app",event="split-brain"}')).toBe(1)
  // Where every held call has given up, no event says so; a primary does.
  listeners.get('hold')!({ pool: 'app' })
  listeners.get('topology')!({ pool: 'app', snapshot: { primary: { id: 'b' } } })
  expect(samplesOf(await handler.metrics()).get('poolhouse_holding{pool="app"}')).toBe(0)
  handler.stop()
  expect(listeners.size).toBe(0)
  expect(listeners.has('leak') || listeners.has('error')).toBe(false)
})
