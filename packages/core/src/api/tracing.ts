import type { AsyncLocalStorage } from 'node:async_hooks'
import { tracingChannel } from 'node:diagnostics_channel'

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

/** What each event of a trace carries beside the trace itself, once it is known. */
export interface TraceOutcome {
  /** Why the work failed; with `error`, `asyncStart` and `asyncEnd`. */
  readonly error?: unknown
  /** What the work returned; with `asyncStart` and `asyncEnd`. */
  readonly result?: unknown
}

/** The listeners of a trace; each function is called with the same object for one piece of work. */
export interface TraceSubscribers<Trace extends object> {
  /** The work begins. */
  start?(trace: Trace): void
  /** The call has returned its promise. */
  end?(trace: Trace & TraceOutcome): void
  /** The promise has settled; its callbacks have not run yet. */
  asyncStart?(trace: Trace & TraceOutcome): void
  /** The promise has settled, and its callbacks have run. */
  asyncEnd?(trace: Trace & TraceOutcome): void
  /** The work has failed. */
  error?(trace: Trace & TraceOutcome): void
}

/**
 * One of the five channels of a trace: the part of `diagnostics_channel.Channel` that is the same
 * in all versions.
 */
export interface TracePoint<Trace extends object> {
  /** Its name, such as `tracing:poolhouse:query:start`. */
  readonly name: string | symbol
  /** Whether anyone listens. */
  readonly hasSubscribers: boolean
  /**
   * Runs the work with `transform(trace)` as the value of the store; without `transform`, with the
   * trace itself.
   */
  bindStore<Store>(store: AsyncLocalStorage<Store>, transform?: (trace: Trace) => Store): void
  /** Undoes `bindStore`. Returns whether the store was bound. */
  unbindStore<Store>(store: AsyncLocalStorage<Store>): boolean
}

/**
 * A tracing channel. The object is that of `diagnostics_channel.tracingChannel()`. The type is our
 * own, because the type parameters of `TracingChannel` have another order in `@types/node` 26 than
 * before.
 */
export interface TraceChannel<Trace extends object> {
  /** Whether anyone listens to any of its events. */
  readonly hasSubscribers: boolean
  /** The work begins. */
  readonly start: TracePoint<Trace>
  /** The call has returned its promise. */
  readonly end: TracePoint<Trace & TraceOutcome>
  /** The promise has settled; its callbacks have not run yet. */
  readonly asyncStart: TracePoint<Trace & TraceOutcome>
  /** The promise has settled, and its callbacks have run. */
  readonly asyncEnd: TracePoint<Trace & TraceOutcome>
  /** The work has failed. */
  readonly error: TracePoint<Trace & TraceOutcome>
  /** Begins to call these functions. */
  subscribe(subscribers: TraceSubscribers<Trace>): void
  /** Stops calling these functions. */
  unsubscribe(subscribers: TraceSubscribers<Trace>): void
  /** Runs work under the trace. */
  tracePromise<R>(work: () => Promise<R>, trace: Trace): Promise<R>
}

/**
 * The `node:diagnostics_channel` tracing channels `poolhouse:query`, `poolhouse:acquire` and
 * `poolhouse:connect`. Without subscribers they cost one property read.
 */
export const tracing: {
  /**
   * Each statement, from the call to its answer, the wait for a connection included. A stream or a
   * copy counts on its connection, from its first word to the server to its end.
   */
  readonly query: TraceChannel<QueryTrace>
  /** Each `acquire`, also those of `use` and `transaction`. */
  readonly acquire: TraceChannel<PoolTrace>
  /** Each connection that is opened. */
  readonly connect: TraceChannel<PoolTrace>
} = {
  query: traceChannel('poolhouse:query'),
  acquire: traceChannel('poolhouse:acquire'),
  connect: traceChannel('poolhouse:connect'),
}

function traceChannel<Trace extends object>(name: string): TraceChannel<Trace> {
  return tracingChannel(name) as unknown as TraceChannel<Trace>
}

/**
 * Runs a query under the tracing channel. Called only while the channel has subscribers. Never
 * throws, whatever `statement` is.
 */
export function traceQuery<T>(
  pool: string,
  statement: string | { readonly text?: unknown },
  run: () => Promise<T>,
): Promise<T> {
  try {
    const text = typeof statement === 'string' ? statement : String(statement?.text)
    return tracing.query.tracePromise(run, { pool, statement: text })
  } catch (error) {
    return Promise.reject(error)
  }
}
