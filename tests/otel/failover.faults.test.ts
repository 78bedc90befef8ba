import { SpanKind } from '@opentelemetry/api'
import { instrument } from '@poolhouse/otel'
import { expect } from 'vitest'
import { startFailoverCluster } from '../failover/support/failover-cluster.js'
import { scenario } from '../support/scenario.js'
import { until } from '../support/until.js'
import { metricsSdk, tracesSdk } from './collected.js'

scenario(
  'a failover is one value of its duration; a held call is one hold and one query under its caller',
  async ({ make }) => {
    await using cluster = await startFailoverCluster(make(), { replicas: 1 })
    const { pool } = cluster
    const { meterProvider, collect } = metricsSdk()
    const { tracerProvider, spans, within } = tracesSdk()
    const { stop } = instrument(pool, { meterProvider, tracerProvider })
    const before = pool.topology.current.primary!.id
    await cluster.cluster.primary.kill()
    await cluster.until(({ topology }) => topology.current.primary === undefined)
    const call = within(() => pool.query('insert into writes values (1)'))
    await cluster.cluster.failover()
    const request = await call
    await pool.query('select id from writes')
    const { points, total } = await collect()
    stop()

    const after = pool.topology.current.primary!.id
    expect(after).not.toBe(before)
    const held = spans().filter(({ name }) => name === 'poolhouse.hold')
    expect(held.map((span) => span.parentSpanContext?.spanId)).toEqual([request])
    expect(held[0]!.attributes).toEqual({
      'db.system.name': 'postgresql',
      'poolhouse.pool': pool.name,
    })
    const inserts = spans().filter(({ name }) => name === 'INSERT writes')
    expect(inserts.map((span) => span.parentSpanContext?.spanId)).toEqual([request])
    expect(inserts[0]!.attributes['db.client.connection.pool.name']).toBe(after)
    expect(total('db.client.operation.duration', { 'db.query.summary': 'INSERT writes' })).toBe(1)
    const moved = { 'poolhouse.pool': pool.name, 'poolhouse.failover.outcome': 'moved' }
    expect(total('poolhouse.failover.duration', moved)).toBe(1)
    expect(total('poolhouse.failover.duration')).toBe(1)
    expect(total('poolhouse.hold.duration', { 'poolhouse.pool': pool.name })).toBe(1)
    const primaries = points('poolhouse.node.state', { 'poolhouse.node.state': 'primary' })
    expect(
      primaries.filter(({ value }) => value === 1).map(({ attributes }) => attributes),
    ).toEqual([expect.objectContaining({ 'poolhouse.node': after })])
  },
)

scenario(
  'a call that is sent again after a failover is a span for each attempt, under its caller, and no other',
  async ({ make }) => {
    await using cluster = await startFailoverCluster(make(), { replicas: 1 })
    const { pool } = cluster
    const { meterProvider, collect } = metricsSdk()
    const { tracerProvider, spans, within } = tracesSdk()
    const { stop } = instrument(pool, { meterProvider, tracerProvider })
    const { primary } = cluster.cluster
    const before = pool.topology.current.primary!.id
    const sleeps = 'select pg_sleep(2) from pg_class limit 1'
    const call = within(() => pool.query(sleeps, [], { intent: 'read' }))
    const running = `select 1 from pg_stat_activity where query = '${sleeps}' and state = 'active'`
    await until(async () => (await primary.sql(running)).length === 1, 'the read to run')
    await primary.kill()
    await cluster.cluster.failover()
    const request = await call
    const { total } = await collect()
    stop()

    const after = pool.topology.current.primary!.id
    const attempts = spans().filter(({ name }) => name === 'SELECT pg_class')
    expect(attempts.map(({ kind }) => kind)).toEqual([SpanKind.CLIENT, SpanKind.CLIENT])
    const [first, second] = attempts.map(({ attributes }) => attributes)
    expect(first).toMatchObject({
      'db.client.connection.pool.name': before,
      'error.type': 'ConnectionLostError',
    })
    expect(second).toMatchObject({ 'db.client.connection.pool.name': after })
    expect(second).not.toHaveProperty('error.type')
    // The second attempt reads in a transaction that cannot write.
    const [transaction] = spans().filter(({ name }) => name === 'poolhouse.transaction')
    expect([attempts[0]!, transaction!].map((span) => span.parentSpanContext?.spanId)).toEqual([
      request,
      request,
    ])
    expect(attempts[1]!.parentSpanContext?.spanId).toBe(transaction!.spanContext().spanId)
    expect(total('poolhouse.calls.retried', { 'poolhouse.pool': pool.name })).toBe(1)
    expect(total('db.client.operation.duration', { 'db.query.summary': 'SELECT pg_class' })).toBe(2)
  },
)
