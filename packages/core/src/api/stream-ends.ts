import type { StreamIterator } from './streaming.js'

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
