import { type TracingChannel, tracingChannel } from 'node:diagnostics_channel'
import { CLOSED_BY_READER, type OpenWork } from './open-work.js'

/** What subscribers of `poolhouse:query` get. Never carries values. */
export interface QueryTrace {
  /** Name of the pool. */
  readonly pool: string
  /** SQL text. */
  readonly statement: string
}

/** What subscribers of `poolhouse:acquire` and `poolhouse:connect` get. */
export interface PoolTrace {
  /** Name of the pool. */
  readonly pool: string
}

/**
 * The `node:diagnostics_channel` tracing channels `poolhouse:query`, `poolhouse:acquire` and `poolhouse:connect`. They cost a
 * property read while nobody has subscribed.
 */
export const tracing: {
  /**
   * Each statement, from the call to its answer, the wait for a connection included. A stream or a copy counts on its connection, from
   * its first word to the server to its end.
   */
  readonly query: TracingChannel<string, QueryTrace>
  /** Each `acquire`, also those of `use` and `transaction`. */
  readonly acquire: TracingChannel<string, PoolTrace>
  /** Each connection that is opened. */
  readonly connect: TracingChannel<string, PoolTrace>
} = {
  query: tracingChannel('poolhouse:query'),
  acquire: tracingChannel('poolhouse:acquire'),
  connect: tracingChannel('poolhouse:connect'),
}

/** Runs a query under the tracing channel. Only called while somebody has subscribed. */
export function traceQuery<T>(
  pool: string,
  statement: string | { readonly text?: unknown },
  run: () => Promise<T>,
): Promise<T> {
  const text = typeof statement === 'string' ? statement : String(statement?.text)
  return tracing.query.tracePromise(run, { pool, statement: text })
}

/** Tells of a stream or a copy under the tracing channel. Only called while somebody has subscribed. */
export function traceWork(pool: string, work: OpenWork): void {
  const ended = (): Promise<void> =>
    new Promise((resolve, reject) => {
      work.onOver(() => {
        const { failure } = work
        if (failure === undefined || failure === CLOSED_BY_READER) resolve()
        else reject(failure)
      })
    })
  // The reader is told of a failure by the stream itself.
  tracing.query.tracePromise(ended, { pool, statement: work.text }).catch(() => {})
}
