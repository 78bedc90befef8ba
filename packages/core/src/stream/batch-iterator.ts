import type { CursorBatch } from '../api/driver.js'
import { StreamEnds } from '../api/streaming.js'
import { CLOSED_BY_READER, type StreamingWork } from './streaming-work.js'

/** Work that gives batches. */
export type BatchWork = StreamingWork & { read(): Promise<CursorBatch> }

/** What an iterator asks of the lease or transaction it belongs to; it keeps that alive. */
export interface BatchHost {
  /** Hands the work to the session. Rejects if it is refused. */
  begin(work: BatchWork): Promise<void>
  /** What the reader is told of an error. */
  failed?(error: unknown): unknown
}

const DONE: Promise<IteratorReturnResult<undefined>> = Promise.resolve({
  done: true,
  value: undefined,
})

/**
 * Iterates over what comes in batches: one promise for each element, one question to the server for
 * each batch.
 */
export class BatchIterator<T> extends StreamEnds<T> {
  readonly #work: BatchWork
  readonly #host: BatchHost
  #items: readonly T[] = []
  #at = 0
  #state: 'new' | 'open' | 'over' = 'new'
  #isFetching = false
  // What begins the calls that wait for the batch.
  #waiting: (() => void)[] = []

  /** Sends nothing yet. */
  constructor(work: BatchWork, host: BatchHost) {
    super()
    this.#work = work
    this.#host = host
  }

  next(): Promise<IteratorResult<T, undefined>> {
    // If the stream has failed since its last batch, drop the rows that are still buffered.
    const failed = this.#state === 'open' && this.#work.failure !== undefined
    if (this.#at < this.#items.length && !failed) {
      this.#work.taken++
      return Promise.resolve({ done: false, value: this.#items[this.#at++]! })
    }
    if (this.#isFetching) {
      return new Promise((resolve) => this.#waiting.push(() => resolve(this.next())))
    }
    if (this.#state === 'over') return DONE
    this.#isFetching = true
    return this.#fetch().then(
      () => {
        this.#isFetching = false
        const first = this.next()
        this.#beginWaiting()
        return first
      },
      (error: unknown) => {
        this.#isFetching = false
        this.#beginWaiting()
        throw error
      },
    )
  }

  /** Behind the call that has fetched: all are served in their order. */
  #beginWaiting(): void {
    if (this.#waiting.length === 0) return
    for (const begin of this.#waiting.splice(0)) begin()
  }

  async return(): Promise<IteratorResult<T, undefined>> {
    this.#state = 'over'
    this.#items = []
    this.#work.stop(CLOSED_BY_READER)
    await this.#work.whenFree()
    return DONE
  }

  /**
   * Calls `listener` in a microtask once the stream needs its lease no more, whatever is left to be
   * read here.
   */
  onOver(listener: () => void): void {
    this.#work.onOver(listener)
  }

  async #fetch(): Promise<void> {
    this.#items = []
    this.#at = 0
    try {
      if (this.#state === 'new') {
        this.#state = 'open'
        await this.#host.begin(this.#work)
      }
      const { rows, end } = await this.#work.read()
      if (end) this.#state = 'over'
      this.#items = rows as T[]
    } catch (error) {
      this.#state = 'over'
      // The caller that closed the stream meanwhile does not need the error.
      if (error === CLOSED_BY_READER) return
      throw this.#host.failed === undefined ? error : this.#host.failed(error)
    }
  }
}
