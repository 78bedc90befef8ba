import type { CopyResult } from './driver.js'
import type { Intent, Statement } from './statement.js'

/**
 * Options of one `stream`.
 *
 * @example
 * const options: StreamOptions = {
 *   batchSize: 1_000, // rows
 *   signal: AbortSignal.timeout(60_000),
 *   intent: 'read',
 *   maxStalenessMs: 5_000,
 *   maxStalenessBytes: 1_048_576,
 * }
 * for await (const row of pool.stream('select * from orders', [], options)) await handle(row)
 */
export interface StreamOptions {
  /**
   * Rows that are fetched at a time, and held in memory at most. A whole number of at least 1,
   * default 100.
   */
  batchSize?: number | undefined
  /**
   * Ends the stream with `AbortError`: a fetch that is under way is cancelled on the server.
   * Default: none.
   */
  signal?: AbortSignal | undefined
  /** `read` lets a routing pool stream from a replica. Default `write`. */
  intent?: Intent | undefined
  /**
   * Oldest data this stream accepts, in milliseconds. Only routing pools look at it. Default: that
   * of the pool.
   */
  maxStalenessMs?: number | undefined
  /**
   * Most write-ahead log that the node may have left to replay, in bytes. Only routing pools look
   * at it. Default: that of the pool.
   */
  maxStalenessBytes?: number | undefined
}

/**
 * Options of one `copyFrom` or `copyTo`.
 *
 * @example
 * await pool.copyFrom('copy hints from stdin', ['7\n'], {
 *   timeoutMs: 60_000,
 *   signal: AbortSignal.timeout(50_000),
 * })
 */
export interface CopyOptions {
  /** Ends the copy with `AbortError`: it is undone, or cancelled, on the server. Default: none. */
  signal?: AbortSignal | undefined
  /**
   * Longest time for the whole copy in milliseconds, the wait for a connection included. Default:
   * none beyond the pool's own limits.
   */
  timeoutMs?: number | undefined
}

/**
 * Options of one `copyTo`.
 *
 * @example
 * const csv = pool.copyTo('copy orders to stdout (format csv)', {
 *   intent: 'read',
 *   maxStalenessMs: 5_000,
 *   maxStalenessBytes: 1_048_576,
 * })
 */
export interface CopyToOptions extends CopyOptions {
  /** `read` lets a routing pool copy from a replica. Default `write`. */
  intent?: Intent | undefined
  /**
   * Oldest data this copy accepts, in milliseconds. Only routing pools look at it. Default: that of
   * the pool.
   */
  maxStalenessMs?: number | undefined
  /**
   * Most write-ahead log that the node may have left to replay, in bytes. Only routing pools look
   * at it. Default: that of the pool.
   */
  maxStalenessBytes?: number | undefined
}

/** Where `copyFrom` takes its data: strings are sent as UTF-8. A `Readable` of Node.js fits. */
export type CopySource = AsyncIterable<Uint8Array | string> | Iterable<Uint8Array | string>

/**
 * What comes out of `stream` and `copyTo`. Nothing is acquired or sent before the first `next()`.
 * Leaving a `for await` loop, `return()` and disposal give up what is left, and resolve when the
 * connection is free again. A call of `next()` that meets another one waits for it.
 */
export interface StreamIterator<T> extends AsyncIterableIterator<T, undefined>, AsyncDisposable {
  /**
   * The next element. Rejects once with the error that ended the stream; after that it is done.
   *
   * @example
   * const rows = pool.stream('select * from orders')
   * const { value, done } = await rows.next()
   */
  next(): Promise<IteratorResult<T, undefined>>
  /**
   * Gives up what is left.
   *
   * @example
   * const rows = pool.stream('select * from orders')
   * console.log((await rows.next()).value)
   * await rows.return()
   */
  return(): Promise<IteratorResult<T, undefined>>
  /**
   * Gives up what is left, and rejects with `error`.
   *
   * @example
   * const rows = pool.stream('select * from orders')
   * await rows.throw(new Error('no longer needed')).catch(log.error)
   */
  throw(error?: unknown): Promise<IteratorResult<T, undefined>>
  /** Itself, for `for await`. */
  [Symbol.asyncIterator](): StreamIterator<T>
}

/**
 * Something that streams rows and copies data. While one of these is open on a lease or in a
 * transaction, everything else on it is refused with `LeaseBusyError`.
 */
export interface Streamable {
  /**
   * The rows of one statement, fetched in batches through a cursor of the server, so that a result
   * of any size needs little memory. Each fetch may take the pool's `statementTimeoutMs`; what the
   * reader does in between is not counted. Throws `TypeError` or `RangeError` for wrong arguments;
   * `next()` rejects as `query` does.
   *
   * @example
   * for await (const row of pool.stream('select * from orders where year = $1', [2026])) {
   *   if (!(await handle(row))) break
   * }
   */
  stream<Row = Record<string, unknown>>(
    text: string,
    values?: readonly unknown[],
    options?: StreamOptions,
  ): StreamIterator<Row>
  /**
   * Streams the rows of one statement given as an object.
   *
   * @example
   * const statement = { text: 'select * from orders where year = $1', values: [2026] }
   * for await (const row of pool.stream(statement, { batchSize: 500 })) await handle(row)
   */
  stream<Row = Record<string, unknown>>(
    statement: Statement,
    options?: StreamOptions,
  ): StreamIterator<Row>
  /**
   * Runs `COPY … FROM STDIN` with the data of `source`, which is read only as fast as the server
   * takes it and not before it is ready. All or nothing: rejects with the source's own error if it
   * fails, with a `DatabaseError` if the server refuses the data, and with `executed: 'unknown'`
   * only if the answer to the very end of the data is missing. A source that has not failed itself
   * is ended by `return()`.
   *
   * @example
   * import { createReadStream } from 'node:fs'
   *
   * const { rowCount } = await pool.copyFrom(
   *   'copy orders from stdin (format csv)',
   *   createReadStream('orders.csv'),
   * )
   */
  copyFrom(sql: string, source: CopySource, options?: CopyOptions): Promise<CopyResult>
  /**
   * Runs `COPY … TO STDOUT`: its data as the server sent it, in pieces of any size, read from the
   * socket only as fast as it is asked for. Leaving early cancels the rest on the server, which
   * fails the transaction around it. Throws `TypeError` or `RangeError` for wrong arguments;
   * `next()` rejects as `query` does.
   *
   * @example
   * import { createWriteStream } from 'node:fs'
   * import { pipeline } from 'node:stream/promises'
   *
   * const data = pool.copyTo('copy orders to stdout (format csv)')
   * await pipeline(data, createWriteStream('orders.csv'))
   */
  copyTo(sql: string, options?: CopyToOptions): StreamIterator<Uint8Array>
}

/** The arguments of `stream` in either of its forms; its values and options may stand second. */
export type StreamArguments = [
  first: string | Statement,
  second?: readonly unknown[] | StreamOptions,
  third?: StreamOptions,
]

/**
 * What every stream does alike once it knows how to give its next element and how to give up what
 * is left; for streams of other packages to extend.
 */
export abstract class StreamEnds<T> implements StreamIterator<T> {
  /** See `StreamIterator`. */
  abstract next(): Promise<IteratorResult<T, undefined>>
  /** See `StreamIterator`. */
  abstract return(): Promise<IteratorResult<T, undefined>>

  /** Gives up what is left and rejects with the error. */
  async throw(error?: unknown): Promise<IteratorResult<T, undefined>> {
    await this.return()
    throw error
  }

  /** Gives up what is left. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.return()
  }

  /** Itself. */
  [Symbol.asyncIterator](): this {
    return this
  }
}

/** Passes on what a `next()` settles with; before that calls `ended` if nothing comes after it. */
export async function untilEnd<T>(
  next: Promise<IteratorResult<T, undefined>>,
  ended: () => void,
): Promise<IteratorResult<T, undefined>> {
  let goesOn = false
  try {
    const result = await next
    goesOn = result.done !== true
    return result
  } finally {
    if (!goesOn) ended()
  }
}
