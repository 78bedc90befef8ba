import { createPool } from '@poolhouse/core'
import { createManager } from '@poolhouse/manager'
import { instrument } from '@poolhouse/otel'
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
