import { createPool } from '@poolhouse/core'
import { instrument, METRICS, metricProducer } from '@poolhouse/otel'
import { describe, expect, it, onTestFinished } from 'vitest'
import { DRIVERS } from '../support/drivers.js'
import { failureOf } from '../support/failure-of.js'
import { guardProcess } from '../support/process-guards.js'
import { testServer } from '../support/servers/test-server.js'
import { metricsSdk } from './collected.js'

guardProcess()
const server = testServer()
const POOL = 'db.client.connection.pool.name'
const STATE = 'db.client.connection.state'
const DURATION = 'db.client.operation.duration'
const ROWS = 'db.client.response.returned_rows'

describe.each(DRIVERS)('over $driver', ({ make }) => {
  const openPool = server.poolsOver(make())

  describe.each(['instruments of the SDK', 'a metric producer'] as const)('with %s', (way) => {
    /** Instruments pools, each until the test is over. */
    function instrumented() {
      const producer = way === 'a metric producer' ? metricProducer() : undefined
      const sdk = metricsSdk(producer === undefined ? [] : [producer])
      return {
        ...sdk,
        watch: (pool: ReturnType<typeof openPool>) => {
          const { meterProvider } = sdk
          const made = instrument(pool, { meterProvider, metrics: producer ?? true, traces: false })
          onTestFinished(() => made.stop())
          return made
        },
      }
    }

    it('metrics of two pools are exact, each under its name', async () => {
      const { watch, collect } = instrumented()
      const [a, b] = [openPool({ name: 'a', max: 5, min: 0 }), openPool({ name: 'b', max: 3 })]
      for (const pool of [a, b]) watch(pool)
      const held = await Promise.all([a.acquire(), a.acquire(), b.acquire()])
      held[1]!.release()
      const { points, total } = await collect()
      const count = (pool: string, state: string): number =>
        total('db.client.connection.count', { [POOL]: pool, [STATE]: state })
      expect([count('a', 'idle'), count('a', 'used')]).toEqual([1, 1])
      expect([count('b', 'idle'), count('b', 'used')]).toEqual([0, 1])
      expect(total('db.client.connection.max', { [POOL]: 'a' })).toBe(5)
      expect(total('db.client.connection.max', { [POOL]: 'b' })).toBe(3)
      expect(total('db.client.connection.idle.min', { [POOL]: 'a' })).toBe(0)
      expect(total('db.client.connection.create_time', { [POOL]: 'a' })).toBe(2)
      expect(total('db.client.connection.wait_time', { [POOL]: 'a' })).toBe(2)
      expect(total('db.client.connection.use_time', { [POOL]: 'a' })).toBe(1)
      expect(points('db.client.connection.pending_requests')).toHaveLength(2)
      for (const lease of [held[0]!, held[2]!]) lease.release()
    })

    it('counts every statement once, with its summary, its rows and its error', async () => {
      const { watch, collect } = instrumented()
      const pool = openPool({ max: 2 })
      watch(pool)
      await pool.query('create table if not exists counted (id int primary key)')
      await pool.query('delete from counted')
      await pool.transaction(async (tx) => {
        await tx.query('insert into counted select generate_series(1, 3)')
      })
      for (let call = 0; call < 20; call++) await pool.query('select * from counted')
      await Promise.all(
        Array.from({ length: 30 }, () => pool.query('select id from counted where id = $1', [1])),
      )
      await failureOf(pool.query('insert into counted values (1)'))
      await failureOf(pool.query('select pg_sleep(9)', [], { timeoutMs: 20 }))
      const { points, total } = await collect()
      const summary = (name: string) => ({ 'db.query.summary': name })
      expect(total(DURATION, summary('SELECT counted'))).toBe(50)
      expect(total(DURATION, summary('COMMIT'))).toBe(1)
      expect(total(DURATION, { ...summary('INSERT counted'), 'error.type': '23505' })).toBe(1)
      expect(total(DURATION, { 'error.type': 'StatementTimeoutError' })).toBe(1)
      const [rows] = points(ROWS, summary('SELECT counted'))
      expect(rows!.value).toMatchObject({ count: 50, sum: 20 * 3 + 30, min: 1, max: 3 })
      expect(rows!.attributes).toMatchObject({
        'db.system.name': 'postgresql',
        'server.address': '127.0.0.1',
        'server.port': server.port,
      })
    })

    it('counts those that have waited for a connection in vain, and nothing after stop', async () => {
      const { watch, collect } = instrumented()
      const pool = openPool({ max: 1, acquireTimeoutMs: 30, multiplex: false })
      const made = watch(pool)
      const lease = await pool.acquire({ timeoutMs: 5_000 })
      await failureOf(pool.acquire())
      await failureOf(pool.query('select 1'))
      const { total } = await collect()
      expect(total('db.client.connection.timeouts', { [POOL]: 'test' })).toBe(2)
      lease.release()
      made.stop()
      await pool.query('select 1')
      const after = await collect()
      expect(after.total(DURATION)).toBe(total(DURATION))
    })
  })

  it('tells nothing that METRICS does not name, with its unit', async () => {
    const { meterProvider, collect } = metricsSdk()
    const pool = openPool()
    const made = instrument(pool, { meterProvider })
    onTestFinished(() => made.stop())
    await pool.query('select 1')
    const { points } = await collect()
    for (const { name, attributes } of METRICS) {
      for (const point of points(name)) {
        expect(attributes).toEqual(expect.arrayContaining(Object.keys(point.attributes)))
      }
    }
    expect(points('db.client.connection.max')).toHaveLength(1)
  })
})

describe('instrument', () => {
  const driver = DRIVERS[0]!.make()

  it('refuses wrong targets and options, and a second time', async () => {
    await using pool = createPool({ driver, connection: server.url })
    expect(() => instrument({} as never)).toThrow('instrument: give a pool or a manager')
    expect(() => instrument(pool, { metric: true } as never)).toThrow('did you mean "metrics"?')
    expect(() => instrument(pool, { traces: 1 as never })).toThrow(
      'instrument: traces must be true or false, got 1',
    )
    expect(() => instrument(pool, { sqlcommenter: { tag: {} } as never })).toThrow(
      'instrument: sqlcommenter: unknown option "tag"; did you mean "tags"?',
    )
    expect(() => instrument(pool, { sqlcommenter: { tags: { a: 1 as never } } })).toThrow(
      'instrument: sqlcommenter: tags.a must be a string or a function, got 1',
    )
    expect(() => instrument(pool, { meterProvider: {} as never })).toThrow(
      'instrument: meterProvider must have a method getMeter',
    )
    const made = instrument(pool)
    expect(() => instrument(pool)).toThrow('is instrumented already; call stop() of that first')
    made.stop()
    const next = instrument(pool)
    made.stop()
    expect(() => instrument(pool)).toThrow('is instrumented already')
    next.stop()
    instrument(pool).stop()
  })
})
