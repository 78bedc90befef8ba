import type { HrTime } from '@opentelemetry/api'
import type { ReadableSpan } from '@opentelemetry/sdk-trace-base'
import { tellRows } from './tell.js'

/** The spans of one trace: the request, and all that it was waiting for. */
export type Trace = readonly ReadableSpan[]

/** The complete traces of one kind of request, in the order in which they ended. */
export function tracesOf(spans: readonly ReadableSpan[], request: string): Trace[] {
  const byTrace = new Map<string, ReadableSpan[]>()
  for (const span of spans) {
    const { traceId } = span.spanContext()
    const trace = byTrace.get(traceId)
    if (trace === undefined) byTrace.set(traceId, [span])
    else trace.push(span)
  }
  // The request is the last to end.
  return [...byTrace.values()].filter((trace) => trace.at(-1)?.name === request)
}

/** Prints a trace as a tree: name, duration, server, and how it failed. */
export function tellTrace(what: string, trace: Trace): void {
  const request = trace.at(-1)
  if (request !== undefined) tellRows(what, rowsOf(request, trace, 0))
}

function rowsOf(span: ReadableSpan, trace: Trace, depth: number): string[][] {
  const { attributes } = span
  const pool = attributes['db.client.connection.pool.name'] ?? attributes['poolhouse.pool'] ?? ''
  const error = attributes['error.type']
  const row = [
    '  '.repeat(depth) + span.name,
    `${milliseconds(span.duration).toFixed(1).padStart(6)} ms`,
    String(pool),
    error === undefined ? '' : `error.type ${error}`,
  ]
  const { spanId } = span.spanContext()
  const inner = trace
    .filter(({ parentSpanContext }) => parentSpanContext?.spanId === spanId)
    .sort((a, b) => milliseconds(a.startTime) - milliseconds(b.startTime))
  return [row, ...inner.flatMap((child) => rowsOf(child, trace, depth + 1))]
}

function milliseconds([seconds, nanoseconds]: HrTime): number {
  return seconds * 1_000 + nanoseconds / 1_000_000
}
