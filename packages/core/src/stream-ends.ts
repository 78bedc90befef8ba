import type { StreamIterator } from './streaming.js'

/** What every stream does alike once it knows how to give its next element and how to give up what is left. */
export abstract class StreamEnds<T> implements StreamIterator<T> {
  /** See `StreamIterator`. */
  abstract next(): Promise<IteratorResult<T, undefined>>
  /** See `StreamIterator`. */
  abstract return(): Promise<IteratorResult<T, undefined>>

  async throw(error?: unknown): Promise<IteratorResult<T, undefined>> {
    await this.return()
    throw error
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return()
  }

  [Symbol.asyncIterator](): this {
    return this
  }
}
