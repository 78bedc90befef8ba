import type { CopyResult } from './driver.js'
import type { Intent, Statement } from './statement.js'

/** Options of one `stream`. */
export interface StreamOptions {
  /**
   * Rows that are fetched at a time, and held in memory at most. A whole number of at least 1,
   * default 100.
   */
  batchSize?: number | undefined
  /** Ends the stream with `AbortError`: a fetch that is under way is cancelled on the server. */
  signal?: AbortSignal | undefined
  /** `read` lets a routing pool stream from a replica. Default `write`. */
  intent?: Intent | undefined
  /** Oldest data this stream accepts, in milliseconds. Only routing pools look at it. */
  maxStalenessMs?: number | undefined
  /**
   * Most write-ahead log that the node may have left to replay, in bytes. Only routing pools look
   * at it.
   */
  maxStalenessBytes?: number | undefined
}

/** Options of one `copyFrom` or `copyTo`. */
export interface CopyOptions {
  /** Ends the copy with `AbortError`: it is undone, or cancelled, on the server. */
  signal?: AbortSignal | undefined
  /**
   * Longest time for the whole copy in milliseconds, the wait for a connection included. Default:
   * none beyond the pool's own limits.
   */
  timeoutMs?: number | undefined
}

/** Options of one `copyTo`. */
export interface CopyToOptions extends CopyOptions {
  /** `read` lets a routing pool copy from a replica. Default `write`. */
  intent?: Intent | undefined
  /** Oldest data this copy accepts, in milliseconds. Only routing pools look at it. */
  maxStalenessMs?: number | undefined
  /**
   * Most write-ahead log that the node may have left to replay, in bytes. Only routing pools look
   * at it.
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
  /** The next element. Rejects once with the error that ended the stream; after that it is done. */
  next(): Promise<IteratorResult<T, undefined>>
  /** Gives up what is left. */
  return(): Promise<IteratorResult<T, undefined>>
  /** Gives up what is left, and rejects with `error`. */
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
   */
  stream<Row = Record<string, unknown>>(
    text: string,
    values?: readonly unknown[],
    options?: StreamOptions,
  ): StreamIterator<Row>
  /** Streams the rows of one statement given as an object. */
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
   */
  copyFrom(sql: string, source: CopySource, options?: CopyOptions): Promise<CopyResult>
  /**
   * Runs `COPY … TO STDOUT`: its data as the server sent it, in pieces of any size, read from the
   * socket only as fast as it is asked for. Leaving early cancels the rest on the server, which
   * fails the transaction around it. Throws `TypeError` or `RangeError` for wrong arguments;
   * `next()` rejects as `query` does.
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
