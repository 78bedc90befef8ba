import { instrument } from '@poolhouse/otel'
import { expect } from 'vitest'
import { startFailoverCluster } from '../failover/support/failover-cluster.js'
import { scenario } from '../support/scenario.js'
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
