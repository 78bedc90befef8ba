import {
  type Pool,
  type QueryOptions,
  type QueryResult,
  ReadIntentError,
  type Statement,
} from '@poolhouse/core'
import type { PoolCall } from '@poolhouse/core/kit'
import { PoolView, readQueryArguments } from '@poolhouse/core/kit'
import type { DeclaredReads, ReadScope } from '../read/declared-reads.js'

/** A view on which every call is a read. */
export class ReaderPool extends PoolView {
  readonly #reads: DeclaredReads
  readonly #scope: ReadScope

  /** Makes the view for reads of one scope. */
  constructor(name: string, whole: Pool, reads: DeclaredReads, scope: ReadScope) {
    super(name, whole)
    this.#reads = reads
    this.#scope = scope
  }

  /** Not through `send`, which makes an object for each call: measured. */
  override query<Row = Record<string, unknown>>(
    first: string | Statement,
    second?: readonly unknown[] | QueryOptions,
    third?: QueryOptions,
  ): Promise<QueryResult<Row>> {
    try {
      const { statement, options } = readQueryArguments(first, second, third)
      this.checkOpen()
      if (options?.intent === 'write') throw writeRefusal('query')
      return this.#reads.query<Row>(this.#scope, statement, options)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  protected async send<R>(call: PoolCall<R>): Promise<R> {
    this.checkOpen()
    if (call.kind === 'copyFrom' || call.intent === 'write') throw writeRefusal(call.kind)
    if (call.kind === 'ready') return await call.run(this.whole)
    // LISTEN writes nothing, but standbys refuse it and get no notifications: it belongs on the
    // primary.
    if (call.kind === 'listen') return await call.run(this.whole)
    return await this.#reads.run(this.#scope, call)
  }
}

function writeRefusal(call: string): ReadIntentError {
  return new ReadIntentError(
    `reader.${call} was asked to write, but everything on a reader is a read; call it on the pool itself`,
  )
}
