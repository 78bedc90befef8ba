import type { CopyResult } from '../api/driver.js'
import type { Lease } from '../api/lease.js'
import type { AcquireOptions } from '../api/pool.js'
import type { Statement } from '../api/statement.js'
import type {
  CopyOptions,
  CopySource,
  CopyToOptions,
  StreamIterator,
  StreamOptions,
} from '../api/streaming.js'
import { StreamEnds, untilEnd } from '../api/streaming.js'
import { unwatchSignal, watchSignal } from '../base/watch-signal.js'
import { isResetFailure } from '../outcome/reset-failure.js'
import { refuseLoneStatement } from '../statement/lone-statement.js'
import { BatchIterator } from '../stream/batch-iterator.js'
import { CLOSED_BY_READER } from '../stream/streaming-work.js'

/** Lends a connection for a stream or a copy. */
export type AcquireLease = (options: AcquireOptions) => Promise<Lease>

/** What the reader is told of an error. */
export type TranslateError = (error: unknown) => unknown

interface StreamSource<T> {
  /** The caller's wish to give up. */
  readonly signal: AbortSignal | undefined
  /**
   * Waits for a lease until `signal`, which is the caller's and the reader's in one, fires: then no
   * caller needs the lease any more.
   */
  acquire(signal: AbortSignal): Promise<Lease>
  open(lease: Lease): StreamIterator<T>
  readonly failed: TranslateError | undefined
}

/**
 * The rows of a statement on a lease of its own, acquired at the first `next()` and given back as
 * soon as the server has nothing more to do for it. Takes checked arguments. What is no work for a
 * lease that ends with it, as `refuseLoneStatement` says, is refused at the first `next()`.
 */
export function leasedRows<Row>(
  acquire: AcquireLease,
  statement: Statement,
  options: StreamOptions = {},
  failed?: TranslateError,
): StreamIterator<Row> {
  return new LeasedStream({
    signal: options.signal,
    acquire: (signal) => {
      refuseLoneStatement(statement, 'pool.stream')
      return acquire({ signal, intent: options.intent })
    },
    open: (lease) => lease.stream<Row>(statement, options),
    failed,
  })
}

/**
 * A copy out of a pool on a lease of its own, as `leasedRows`. The limit of the call is that of
 * wait and copy together. Takes checked arguments.
 */
export function leasedCopyTo(
  now: () => number,
  acquire: AcquireLease,
  sql: string,
  given: CopyToOptions = {},
  failed?: TranslateError,
): StreamIterator<Uint8Array> {
  // As they are now: it is begun with the first `next()`.
  const options = { ...given }
  let left = (): CopyOptions => options
  return new LeasedStream({
    signal: options.signal,
    acquire: (signal) => {
      refuseLoneStatement({ text: sql }, 'pool.copyTo')
      left = countdown(now, options)
      return acquire({ ...left(), signal, intent: options.intent })
    },
    open: (lease) => lease.copyTo(sql, left()),
    failed,
  })
}

/**
 * A copy into a pool on a lease of its own. The limit of the call is that of wait and copy
 * together. Takes checked arguments.
 */
export async function leasedCopyFrom(
  now: () => number,
  acquire: AcquireLease,
  sql: string,
  source: CopySource,
  options: CopyOptions = {},
): Promise<CopyResult> {
  refuseLoneStatement({ text: sql }, 'pool.copyFrom')
  const left = countdown(now, options)
  for (;;) {
    const lease = await acquire(left())
    try {
      return await lease.copyFrom(sql, source, left())
    } catch (error) {
      // Nothing of the source was read then.
      if (!isResetFailure(error)) throw error
    } finally {
      lease.release()
    }
  }
}

/** What is left of the limits of a call, counted from now. */
function countdown(now: () => number, { signal, timeoutMs }: CopyOptions): () => CopyOptions {
  if (timeoutMs === undefined) return () => ({ signal })
  const deadline = now() + timeoutMs
  // A limit of nothing is refused, and would not say how long it was.
  return () => ({ signal, timeoutMs: Math.max(1, Math.ceil(deadline - now())) })
}

class LeasedStream<T> extends StreamEnds<T> {
  readonly #source: StreamSource<T>
  #lease: Lease | undefined
  #inner: StreamIterator<T> | undefined
  #opening: Promise<void> | undefined
  #over = false
  // Whether the lease's stream reports its own end; that of a lease from another package does not.
  #tellsEnd = false

  // While it waits for its lease.
  #waiting: AbortController | undefined

  constructor(source: StreamSource<T>) {
    super()
    this.#source = source
  }

  next(): Promise<IteratorResult<T, undefined>> {
    const { failed } = this.#source
    if (this.#inner === undefined) return this.#first()
    const next = this.#tellsEnd
      ? this.#inner.next()
      : untilEnd(this.#inner.next(), () => this.giveBack())
    if (failed === undefined) return next
    return next.catch((error: unknown) => {
      throw failed(error)
    })
  }

  async return(): Promise<IteratorResult<T, undefined>> {
    this.#over = true
    // Its place in the queue goes to the next caller.
    this.#waiting?.abort(CLOSED_BY_READER)
    await this.#inner?.return()
    this.giveBack()
    return { done: true, value: undefined }
  }

  async #first(): Promise<IteratorResult<T, undefined>> {
    if (this.#over) return { done: true, value: undefined }
    if (this.#opening === undefined) {
      this.#opening = this.#open()
      // The first caller gets the error; later ones find the stream over.
      try {
        await this.#opening
      } catch (error) {
        const closed = this.#over
        this.#over = true
        if (closed) return { done: true, value: undefined }
        throw this.#source.failed === undefined ? error : this.#source.failed(error)
      }
    } else {
      await this.#opening.catch(() => undefined)
    }
    const inner = this.#inner
    try {
      return await this.next()
    } catch (error) {
      if (!isResetFailure(error) || this.#over) throw error
      // Nothing was begun: another session, which another call may have asked for already.
      if (this.#inner === inner) {
        this.giveBack()
        this.#inner = undefined
        this.#opening = undefined
      }
      return await this.#first()
    }
  }

  async #acquire(): Promise<Lease> {
    const { signal } = this.#source
    const waiting = new AbortController()
    const giveUp = (): void => waiting.abort(signal?.reason)
    this.#waiting = waiting
    if (signal?.aborted) giveUp()
    else watchSignal(signal, giveUp)
    try {
      return await this.#source.acquire(waiting.signal)
    } finally {
      this.#waiting = undefined
      unwatchSignal(signal, giveUp)
    }
  }

  async #open(): Promise<void> {
    const lease = await this.#acquire()
    if (this.#over) {
      lease.release()
      throw CLOSED_BY_READER
    }
    this.#lease = lease
    try {
      const inner = this.#source.open(lease)
      this.#inner = inner
      if (inner instanceof BatchIterator) {
        this.#tellsEnd = true
        giveBackWhenOver(inner, this)
      }
    } catch (error) {
      this.giveBack()
      throw error
    }
  }

  /** Gives the lease back, if it is still out. */
  giveBack(): void {
    this.#lease?.release()
    this.#lease = undefined
  }
}

/**
 * By way of a weak reference: the server's side of a stream must not keep the reader's side alive,
 * or the lease of an abandoned stream would never be found leaked.
 */
function giveBackWhenOver<T>(inner: BatchIterator<T>, stream: LeasedStream<T>): void {
  const reader = new WeakRef(stream)
  inner.onOver(() => reader.deref()?.giveBack())
}
