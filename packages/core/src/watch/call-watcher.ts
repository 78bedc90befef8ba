import type { PoolGauges } from '../outcome/errors.js'
import type { Endpoint } from '../settings/endpoint.js'

/**
 * The name under which `on` and `off` of every pool take a `CallWatcher`, as if it were an event:
 * so it reaches each pool that a pool is made of, now and later. Use `watchCalls`.
 */
export const CALLS: unique symbol = Symbol.for('poolhouse.calls') as never

/** A pool of connections to one server, as those see it who watch its calls. */
export interface WatchedPool {
  /** Its name. */
  readonly name: string
  /** The server; another one after `reconfigure`. */
  readonly endpoint: Endpoint
  /** Most and fewest connections, as configured now. */
  readonly sizes: {
    /** Most connections. */
    readonly max: number
    /** Connections that are kept open. */
    readonly min: number
  }
  /** How many of its leases were reported as leaked. */
  readonly leaks: number
  /** What the pool is made of at this moment. */
  gauges(): PoolGauges
}

/** What an observer looks at in the result of a statement. */
export interface ObservedResult {
  /** The rows that came. */
  readonly rows: readonly unknown[]
  /** The columns; none where the statement returns no rows. */
  readonly fields: readonly unknown[]
}

/**
 * Is told of the calls of one pool of connections. Durations are in milliseconds. What begins is
 * told in the async context of its caller. No method may throw.
 */
export interface CallObserver {
  /**
   * A statement begins: of a lease, a transaction or the pool itself, and also a stream or a copy.
   * What it returns is handed to the other methods as `begun`.
   */
  began(text: string): unknown
  /**
   * Whether statements get comments. They share no connection then, because each text is another
   * one.
   */
  readonly comments: boolean
  /**
   * The text as it is sent, of a statement without a name. Called only if `comments`, and not for
   * batches, streams and copies.
   */
  commented(begun: unknown, text: string): string
  /** It has waited for a connection, and has one now. Not called if it had one at once. */
  waited(begun: unknown, waitMs: number): void
  /**
   * Its caller is told of its end: `error`, where that is not undefined, or `result`. A stream or a
   * copy has no result.
   */
  ended(
    begun: unknown,
    text: string,
    durationMs: number,
    error: unknown,
    result: ObservedResult | undefined,
  ): void
  /** A caller begins to wait for a lease. What it returns is handed to `acquired` as `begun`. */
  acquiring(): unknown
  /** The wait for a lease is over, by an error where that is not undefined. */
  acquired(begun: unknown, waitMs: number, error: unknown): void
  /** Runs a transaction, from BEGIN to its end. Returns what `run` returns. */
  transaction<R>(run: () => Promise<R>): Promise<R>
  /** A connection begins to be opened. What it returns is handed to `connected` as `begun`. */
  connecting(): unknown
  /** The connection is open; with an error, it failed or was not wanted any more. */
  connected(begun: unknown, createMs: number, error: unknown): void
  /** A connection was lent, after a wait of this length; 0 if it was there at once. */
  lent(waitMs: number): void
  /** A connection came back, after a use of this length. */
  returned(useMs: number): void
  /** The pool is watched no more. */
  stopped(): void
}

/** Watches the calls of a pool, and of every pool that it is made of. No method may throw. */
export interface CallWatcher {
  /**
   * A pool of connections begins to be watched. Returns who is told of its calls; undefined if they
   * need not be told.
   */
  watch(pool: WatchedPool): CallObserver | undefined
  /**
   * A call of the pool of this name waits for a primary, told in the async context of its caller.
   * Returns what is called when the wait is over, by an error where that is not undefined.
   */
  held(pool: string): (error: unknown) => void
  /** A call of the pool of this name is sent again after a failure, in its caller's context. */
  retried(pool: string): void
}

/** What takes listeners: any pool. */
interface Watchable {
  on(event: never, watcher: never): unknown
  off(event: never, watcher: never): unknown
}

/**
 * Watches the calls of a pool, or of whatever else passes listeners on to its pools. Returns what
 * ends it. While no pool is watched, this costs a call one property read.
 */
export function watchCalls(pool: Watchable, watcher: CallWatcher): () => void {
  pool.on(CALLS as never, watcher as never)
  return () => {
    pool.off(CALLS as never, watcher as never)
  }
}
