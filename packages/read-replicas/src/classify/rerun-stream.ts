import { StreamEnds, type StreamIterator } from '@poolhouse/core'

/** A stream that may be begun again elsewhere while nothing of it has been handed out. */
export class RerunStream<T> extends StreamEnds<T> {
  #inner: StreamIterator<T>
  readonly #again: (error: unknown) => StreamIterator<T> | undefined
  #first: Promise<IteratorResult<T, undefined>> | undefined
  #begun = false
  #closed = false

  /** `again` is asked once, if the first element is an error, for the stream to go on with; undefined leaves it at the error. */
  constructor(inner: StreamIterator<T>, again: (error: unknown) => StreamIterator<T> | undefined) {
    super()
    this.#inner = inner
    this.#again = again
  }

  next(): Promise<IteratorResult<T, undefined>> {
    if (this.#begun) return this.#inner.next()
    if (this.#first === undefined) {
      this.#first = this.#begin()
      return this.#first
    }
    // Whoever called first hears of an error; the others find the stream over.
    const next = (): Promise<IteratorResult<T, undefined>> => this.next()
    return this.#first.then(next, next)
  }

  async return(): Promise<IteratorResult<T, undefined>> {
    this.#closed = true
    return await this.#inner.return()
  }

  async #begin(): Promise<IteratorResult<T, undefined>> {
    try {
      return await this.#inner.next()
    } catch (error) {
      const again = this.#closed ? undefined : this.#again(error)
      if (again === undefined) throw error
      this.#inner = again
      return await again.next()
    } finally {
      this.#begun = true
    }
  }
}
