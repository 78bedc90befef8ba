import { SpanKind, SpanStatusCode } from '@opentelemetry/api'
import type { ReadableSpan } from '@opentelemetry/sdk-trace-base'
import type { ConnectionPool, Statement } from '@poolhouse/core'
import { instrument } from '@poolhouse/otel'
import { describe, expect, it, onTestFinished } from 'vitest'
import { DRIVERS } from '../support/drivers.js'
import { failureOf } from '../support/failure-of.js'
import { guardProcess } from '../support/process-guards.js'
import { testServer } from '../support/servers/test-server.js'
import { tracesSdk } from './collected.js'

guardProcess()
const server = testServer()

describe.each(DRIVERS)('over $driver', ({ make }) => {
  const openPool = server.poolsOver(make())

  function traced(pool: ConnectionPool) {
    const sdk = tracesSdk()
    const made = instrument(pool, { tracerProvider: sdk.tracerProvider, metrics: false })
    onTestFinished(() => made.stop())
    const named = (name: string): ReadableSpan[] => sdk.spans().filter((span) => span.name === name)
    return { ...sdk, named }
  }

  it('a query is one span under its caller’s, with a text that shows no string', async () => {
    const pool = openPool({ name: 'other' })
    const { named, within } = traced(pool)
    const request = await within(() =>
      pool.query("select rolname from pg_roles where rolname = 'hunter2' or oid = $1", [1]),
    )
    const [span, ...others] = named('SELECT pg_roles')
    expect(others).toEqual([])
    expect(span!.parentSpanContext?.spanId).toBe(request)
    expect(span!.kind).toBe(SpanKind.CLIENT)
    expect(span!.attributes).toEqual({
      'db.system.name': 'postgresql',
      'db.namespace': new URL(server.url).pathname.slice(1),
      'server.address': '127.0.0.1',
      'server.port': server.port,
      'db.client.connection.pool.name': 'other',
      'db.query.summary': 'SELECT pg_roles',
      'db.query.text': "select rolname from pg_roles where rolname = '…' or oid = $1",
      'db.response.returned_rows': 0,
    })
  })

  it('calls that travel together are one span each, under their own callers', async () => {
    const pool = openPool({ max: 1 })
    await pool.query('select relname from pg_class limit 1')
    await pool.query('select relname from pg_class limit 1')
    const { named, within } = traced(pool)
    const requests = await Promise.all(
      Array.from({ length: 10 }, () =>
        within(() => pool.query('select relname from pg_class limit 1')),
      ),
    )
    const parents = named('SELECT pg_class').map((span) => span.parentSpanContext?.spanId)
    expect(parents.sort()).toEqual(requests.sort())
  })

  it('the spans of a transaction are inside its own', async () => {
    const pool = openPool()
    const { named, within } = traced(pool)
    const request = await within(() =>
      pool.transaction(async (tx) => {
        await tx.query('select 1 from pg_class limit 1')
        await new Promise((resolve) => setTimeout(resolve, 1))
        await tx.query('select 1 from pg_type limit 1')
      }),
    )
    const [transaction] = named('poolhouse.transaction')
    expect(transaction!.parentSpanContext?.spanId).toBe(request)
    expect(transaction!.kind).toBe(SpanKind.INTERNAL)
    const { spanId } = transaction!.spanContext()
    for (const name of ['SELECT pg_class', 'SELECT pg_type', 'COMMIT']) {
      expect(named(name).map((span) => span.parentSpanContext?.spanId)).toEqual([spanId])
    }
  })

  it('an error says its SQLSTATE and no message; what its transaction threw, its name', async () => {
    const pool = openPool()
    const { named, within } = traced(pool)
    await within(async () => {
      await failureOf(pool.query("select 'hunter2'::int from pg_class"))
      await failureOf(pool.transaction(() => Promise.reject(new RangeError('hunter2'))))
    })
    const [query] = named('SELECT pg_class')
    expect(query!.status).toEqual({ code: SpanStatusCode.ERROR })
    expect(query!.attributes).toMatchObject({
      'error.type': '22P02',
      'db.response.status_code': '22P02',
    })
    const [transaction] = named('poolhouse.transaction')
    expect(transaction!.attributes).toMatchObject({ 'error.type': 'RangeError' })
    expect(JSON.stringify([query!.attributes, query!.events])).not.toContain('hunter2')
  })

  it('a wait for a connection is a span, under its query or its caller, and only a wait', async () => {
    const pool = openPool({ max: 1, multiplex: false })
    const { named, within } = traced(pool)
    const lease = await pool.acquire()
    expect(named('poolhouse.acquire').length).toBeLessThanOrEqual(1)
    const before = named('poolhouse.acquire').length
    const waiting = within(() => pool.query('select 1 from pg_class limit 1'))
    const acquiring = within(async () => (await pool.acquire()).release())
    await new Promise((resolve) => setTimeout(resolve, 20))
    lease.release()
    const [, request] = await Promise.all([waiting, acquiring])
    const [query] = named('SELECT pg_class')
    const [first, second] = named('poolhouse.acquire').slice(before)
    expect(first!.parentSpanContext?.spanId).toBe(query!.spanContext().spanId)
    expect(second!.parentSpanContext?.spanId).toBe(request)
    expect(first!.duration[1]).toBeGreaterThan(10_000_000)
  })

  it('a comment names the span of its statement, and what the tags say', async () => {
    const pool = openPool()
    const { tracerProvider, spans } = tracesSdk()
    const made = instrument(pool, {
      tracerProvider,
      metrics: false,
      sqlcommenter: {
        tags: { route: '/a b', application: () => "it's*/ 1", none: () => undefined },
      },
    })
    onTestFinished(() => made.stop())
    const text = 'select query from pg_stat_activity where pid = pg_backend_pid()'
    const says = async (statement: Statement): Promise<string> =>
      (await pool.query<{ query: string }>(statement)).rows[0]!.query
    for (let call = 0; call < 3; call++) {
      const seen = await says({ text })
      const { spanId, traceId } = spans().at(-1)!.spanContext()
      expect(seen).toBe(
        `${text} /*application='it%27s%2A%2F%201',route='%2Fa%20b',traceparent='00-${traceId}-${spanId}-01'*/`,
      )
    }
    expect(await says({ name: 'own', text })).toBe(text)
    const own = `${text} -- why`
    expect(await says({ text: own })).toBe(own)
    expect(spans().at(-1)!.attributes['db.query.text']).toBe(own)
  })

  it('a connect is a span without a parent, whichever call needed it', async () => {
    const pool = openPool()
    const { named, within } = traced(pool)
    await within(() => pool.query('select 1'))
    const [connect] = named('poolhouse.connect')
    expect(connect!.parentSpanContext).toBeUndefined()
  })
})
