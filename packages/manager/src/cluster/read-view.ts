import {
  type AcquireOptions,
  type CopyOptions,
  type CopyResult,
  type CopySource,
  checkCopyToArguments,
  type Lease,
  type ListenOptions,
  leasedCopyTo,
  leasedRows,
  type NotifyListener,
  type Pool,
  PoolClosedError,
  type PoolEventName,
  type PoolListener,
  type PoolStats,
  type QueryOptions,
  type QueryResult,
  type ReadyOptions,
  readQueryArguments,
  readStreamArguments,
  type Statement,
  type StreamIterator,
  type StreamOptions,
  type Subscription,
  type Transaction,
  type TransactionOptions,
} from '@poolhouse/core'
import { currentMember } from './current-member.js'
import type { DatabaseView } from './database-view.js'
import type { Member } from './member.js'

/** A view of one database: a view of the cluster, such as a reader, in the context of that database. */
export class ReadView implements Pool {
  readonly name: string
  readonly #view: DatabaseView
  readonly #member: Member
  readonly #inner: Pool
  #closed = false

  /** `inner` is the view of the cluster, `what` says for names what it is. */
  constructor(view: DatabaseView, member: Member, inner: Pool, what: string) {
    this.name = `${view.name}/${what}`
    this.#view = view
    this.#member = member
    this.#inner = inner
  }

  query<Row = Record<string, unknown>>(
    first: string | Statement,
    second?: readonly unknown[] | QueryOptions,
    third?: QueryOptions,
  ): Promise<QueryResult<Row>> {
    return this.call(() => {
      const { statement, options } = readQueryArguments(first, second, third)
      return this.#inner.query<Row>(statement, options)
    })
  }

  acquire(options?: AcquireOptions): Promise<Lease> {
    return this.call(() => this.#inner.acquire(options))
  }

  use<R>(work: (lease: Lease) => Promise<R>, options?: AcquireOptions): Promise<R> {
    return this.call(() => this.#inner.use(work, options))
  }

  transaction<R>(work: (tx: Transaction) => Promise<R>, options?: TransactionOptions): Promise<R> {
    return this.call(() => this.#inner.transaction(work, options))
  }

  stream<Row = Record<string, unknown>>(
    first: string | Statement,
    second?: readonly unknown[] | StreamOptions,
    third?: StreamOptions,
  ): StreamIterator<Row> {
    const { statement, options } = readStreamArguments(first, second, third)
    const acquire = (acquireOptions: AcquireOptions): Promise<Lease> =>
      this.acquire({ ...acquireOptions, intent: options?.intent })
    return leasedRows<Row>(acquire, statement, options)
  }

  copyTo(sql: string, options?: CopyOptions): StreamIterator<Uint8Array> {
    checkCopyToArguments(sql, options)
    const now = (): number => this.#member.clock.now()
    return leasedCopyTo(now, (wait) => this.acquire(wait), sql, options)
  }

  copyFrom(sql: string, source: CopySource, options?: CopyOptions): Promise<CopyResult> {
    return this.call(() => this.#inner.copyFrom(sql, source, options))
  }

  async listen(
    channel: string,
    onNotify: NotifyListener,
    options?: ListenOptions,
  ): Promise<Subscription> {
    if (this.#closed) throw new PoolClosedError(this.name)
    return await this.#view.listen(channel, onNotify, options)
  }

  ready(options?: ReadyOptions): Promise<void> {
    return this.call(() => this.#inner.ready(options))
  }

  stats(): PoolStats {
    return this.#view.stats()
  }

  on<Name extends PoolEventName>(event: Name, listener: PoolListener<Name>): this {
    this.#view.on(event, listener)
    return this
  }

  off<Name extends PoolEventName>(event: Name, listener: PoolListener<Name>): this {
    this.#view.off(event, listener)
    return this
  }

  async close(): Promise<void> {
    this.#closed = true
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Runs `work` in the context of the database. */
  protected call<R>(work: () => Promise<R>): Promise<R> {
    try {
      if (this.#closed || this.#view.closed) throw new PoolClosedError(this.name)
      this.#member.usedAt = this.#member.clock.now()
      return this.#view.telling(currentMember.run(this.#member, work))
    } catch (error) {
      return Promise.reject(error)
    }
  }
}
