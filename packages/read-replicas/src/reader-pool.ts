import {
  type AcquireOptions,
  type CopyOptions,
  type CopyResult,
  type CopySource,
  type CopyToOptions,
  checkCopyFromArguments,
  checkCopyToArguments,
  type Lease,
  type ListenOptions,
  type NotifyListener,
  type Pool,
  PoolClosedError,
  type PoolEventName,
  type PoolListener,
  type PoolStats,
  type QueryOptions,
  type QueryResult,
  ReadIntentError,
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
import type { ReadRoute } from './read-route.js'
import type { SessionReads } from './session-reads.js'

/** What the reads of a view accept, and what they must see. */
export interface ReadLane {
  /** What they accept. */
  readonly route: ReadRoute
  /** What they must see; undefined for nothing in particular. */
  readonly session: SessionReads | undefined
  /** Whether their user said what they accept, so that `runWith` has no say. */
  readonly own: boolean
}

/** What a reader needs of the pool it is a view of. */
export interface ReaderHost {
  /** Runs a statement as a read. */
  queryRead<Row>(
    lane: ReadLane,
    statement: Statement,
    options: QueryOptions | undefined,
  ): Promise<QueryResult<Row>>
  /** Lends a connection for reading. */
  acquireRead(lane: ReadLane, options: AcquireOptions | undefined): Promise<Lease>
  /** Streams rows as a read. `admit` is called before anything is acquired, and throws if that must not be. */
  streamRead<Row>(
    lane: ReadLane,
    statement: Statement,
    options: StreamOptions | undefined,
    admit?: () => void,
    failed?: (error: unknown) => unknown,
  ): StreamIterator<Row>
  /** Copies out as a read. Takes checked arguments. */
  copyToRead(
    lane: ReadLane,
    sql: string,
    options: CopyToOptions | undefined,
    admit?: () => void,
    failed?: (error: unknown) => unknown,
  ): StreamIterator<Uint8Array>
  /** Runs work on a connection for reading. */
  useRead<R>(
    lane: ReadLane,
    work: (lease: Lease) => Promise<R>,
    options: AcquireOptions | undefined,
  ): Promise<R>
  /** Runs a read-only transaction. */
  transactionRead<R>(
    lane: ReadLane,
    work: (tx: Transaction) => Promise<R>,
    options: TransactionOptions,
  ): Promise<R>
  /** Listens to a channel. */
  listen(channel: string, onNotify: NotifyListener, options?: ListenOptions): Promise<Subscription>
  /** Waits until the whole is ready. */
  ready(options?: ReadyOptions): Promise<void>
  /** The statistics of the whole. */
  stats(): PoolStats
  /** Adds a listener to the whole. */
  on<Name extends PoolEventName>(event: Name, listener: PoolListener<Name>): unknown
  /** Removes a listener from the whole. */
  off<Name extends PoolEventName>(event: Name, listener: PoolListener<Name>): unknown
}

/** A view on which everything is a read. Closing it closes nothing else. */
export class ReaderPool implements Pool {
  readonly name: string
  readonly #host: ReaderHost
  readonly #lane: ReadLane
  #closed = false

  /** Makes the view for reads of one kind. */
  constructor(name: string, host: ReaderHost, lane: ReadLane) {
    this.name = name
    this.#host = host
    this.#lane = lane
  }

  query<Row = Record<string, unknown>>(
    first: string | Statement,
    second?: readonly unknown[] | QueryOptions,
    third?: QueryOptions,
  ): Promise<QueryResult<Row>> {
    try {
      const { statement, options } = readQueryArguments(first, second, third)
      this.#check('query', options?.intent === 'write')
      return this.#host.queryRead<Row>(this.#lane, statement, options)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  stream<Row = Record<string, unknown>>(
    first: string | Statement,
    second?: readonly unknown[] | StreamOptions,
    third?: StreamOptions,
  ): StreamIterator<Row> {
    const { statement, options } = readStreamArguments(first, second, third)
    const admit = (): void => this.#check('stream', options?.intent === 'write')
    return this.#host.streamRead<Row>(this.#lane, statement, options, admit)
  }

  copyTo(sql: string, options?: CopyToOptions): StreamIterator<Uint8Array> {
    checkCopyToArguments(sql, options)
    const admit = (): void => this.#check('copyTo', options?.intent === 'write')
    return this.#host.copyToRead(this.#lane, sql, options, admit)
  }

  async copyFrom(sql: string, source: CopySource, options?: CopyOptions): Promise<CopyResult> {
    checkCopyFromArguments(sql, source, options)
    if (this.#closed) throw new PoolClosedError(this.name)
    throw writeRefusal('copyFrom')
  }

  async acquire(options?: AcquireOptions): Promise<Lease> {
    this.#check('acquire', options?.intent === 'write')
    return await this.#host.acquireRead(this.#lane, options)
  }

  async use<R>(work: (lease: Lease) => Promise<R>, options?: AcquireOptions): Promise<R> {
    this.#check('use', options?.intent === 'write')
    return await this.#host.useRead(this.#lane, work, options)
  }

  async transaction<R>(
    work: (tx: Transaction) => Promise<R>,
    options: TransactionOptions = {},
  ): Promise<R> {
    this.#check('transaction', options.readOnly === false)
    return await this.#host.transactionRead(this.#lane, work, options)
  }

  async listen(
    channel: string,
    onNotify: NotifyListener,
    options?: ListenOptions,
  ): Promise<Subscription> {
    this.#check('listen', false)
    // A standby refuses LISTEN and gets no notifications, and listening writes nothing: it belongs on the primary.
    return await this.#host.listen(channel, onNotify, options)
  }

  async ready(options?: ReadyOptions): Promise<void> {
    this.#check('ready', false)
    await this.#host.ready(options)
  }

  stats(): PoolStats {
    return this.#host.stats()
  }

  on<Name extends PoolEventName>(event: Name, listener: PoolListener<Name>): this {
    this.#host.on(event, listener)
    return this
  }

  off<Name extends PoolEventName>(event: Name, listener: PoolListener<Name>): this {
    this.#host.off(event, listener)
    return this
  }

  async close(): Promise<void> {
    this.#closed = true
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #check(call: string, writes: boolean): void {
    if (this.#closed) throw new PoolClosedError(this.name)
    if (writes) throw writeRefusal(call)
  }
}

function writeRefusal(call: string): ReadIntentError {
  return new ReadIntentError(
    `reader.${call} was asked to write, but everything on a reader is a read; call it on the pool itself`,
  )
}
