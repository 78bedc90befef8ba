import { createPool } from '@poolhouse/core'
import { createManager } from '@poolhouse/manager'
import { instrument, metricsHandler } from '@poolhouse/otel'
import { withReplicas } from '@poolhouse/read-replicas'
import { describe, expect, it, onTestFinished } from 'vitest'
import { DRIVERS } from '../support/drivers.js'
import { guardProcess } from '../support/process-guards.js'
import { sharedCluster } from '../support/servers/shared-cluster.js'
import { metricsSdk, tracesSdk } from './collected.js'

guardProcess()
const cluster = sharedCluster({ replicas: 1 })
const DURATION = 'db.client.operation.duration'

describe.each(DRIVERS)('over $driver', ({ make }) => {
  it('a routed read is one call, on the replica that has run it, and a decision with its reason', async () => {
    const { nodes } = await cluster()
    const [primary, replica] = nodes.map(({ name, url }) =>
      createPool({ driver: make(), connection: url, name }),
    )
    await using db = withReplicas(primary!, [replica!], { maxStalenessMs: 60_000 })
    const { meterProvider, collect } = metricsSdk()
    const { tracerProvider, spans, within } = tracesSdk()
    const { stop } = instrument(db, { meterProvider, tracerProvider })
    onTestFinished(() => stop())
    await db.ready()
    const request = await within(() => db.reader().query('select 1 as one from pg_class limit 1'))
    await db.query('select 2 as two from pg_type limit 1')
    const reads = spans().filter(({ name }) => name.startsWith('SELECT pg_'))
    expect(reads.map(({ name, attributes }) => [name, attributes['server.port']])).toEqual([
      ['SELECT pg_class', replica!.endpoint.port],
      ['SELECT pg_type', primary!.endpoint.port],
    ])
    expect(reads[0]!.parentSpanContext?.spanId).toBe(request)
    const { total } = await collect()
    expect(total(DURATION, { 'db.query.summary': 'SELECT pg_class' })).toBe(1)
    const decisions = (reason: string, target: string): number =>
      total('poolhouse.routing.decisions', {
        'poolhouse.pool': db.name,
        'poolhouse.route.reason': reason,
        'poolhouse.route.target': target,
      })
    expect(decisions('replica', 'replica')).toBe(1)
    expect(decisions('write', 'primary')).toBe(1)
  })

  it('no metric of Prometheus names a tenant unless it is told to, whatever happens to it', async () => {
    const { primary } = await cluster()
    await using manager = createManager({
      drivers: { only: make() },
      databases: { app: { primary: primary.url } },
      tenants: { resolve: () => ({ schema: 'public', limits: { max: 1, maxPending: 1 } }) },
    })
    const [hidden, shown] = [false, true].map((tenants) => metricsHandler(manager, { tenants }))
    onTestFinished(() => {
      hidden!.stop()
      shown!.stop()
    })
    await manager.database('app').query('select 1')
    for (const id of ['acme', 'app']) {
      const tenant = manager.tenant(id)
      const lease = await tenant.acquire()
      const waiting = tenant.acquire()
      await expect(tenant.acquire()).rejects.toMatchObject({ name: 'PoolOverloadedError' })
      lease.release()
      ;(await waiting).release()
    }
    const text = await hidden!.metrics()
    expect(text).not.toContain('acme')
    expect(text).toContain('poolhouse_events_total{pool="",event="overload"} 2')
    const all = await shown!.metrics()
    expect(all).toMatch(/poolhouse_events_total\{pool="acme@[^"]*",event="overload"\} 1/)
    const maxima = [...all.matchAll(/^db_client_connection_max\{.*database="([^"]*)".*\} (\d+)$/gm)]
    expect(maxima.map(([, database, max]) => [database, max])).toEqual([
      ['app', '10'],
      ['acme', '1'],
      ['app (tenant)', '1'],
    ])
    const samples = all.split('\n').map((line) => line.replace(/ \S+$/, ''))
    expect(samples.filter((line, index) => line !== '' && samples.indexOf(line) !== index)).toEqual(
      [],
    )
  })

  it('a manager tells of its databases, of tenants that come later, and of its budgets', async () => {
    const { primary } = await cluster()
    await using manager = createManager({
      drivers: { only: make() },
      databases: { app: { primary: primary.url, pool: { max: 3 } } },
      budget: { perServer: 7 },
      tenants: { resolve: () => ({ schema: 'public' }) },
    })
    const { meterProvider, collect } = metricsSdk()
    const { tracerProvider, spans, within } = tracesSdk()
    const { stop } = instrument(manager, { meterProvider, tracerProvider })
    onTestFinished(() => stop())
    await manager.database('app').query('select 1 from pg_class limit 1')
    const request = await within(() =>
      manager.tenant('acme').query('select 1 from pg_type limit 1'),
    )
    const { points, total } = await collect()
    expect(total(DURATION, { 'db.query.summary': 'SELECT pg_class' })).toBe(1)
    expect(total(DURATION, { 'db.query.summary': 'SELECT pg_type' })).toBe(1)
    const [span] = spans().filter(({ name }) => name === 'SELECT pg_type')
    expect(span!.parentSpanContext?.spanId).toBe(request)
    expect(points('db.client.connection.max').length).toBeGreaterThanOrEqual(2)
    expect(total('poolhouse.budget.limit')).toBe(7)
    expect(total('poolhouse.budget.used')).toBe(total('db.client.connection.count'))
    expect(total('poolhouse.tenant.pools')).toBe(1)
  })
})
