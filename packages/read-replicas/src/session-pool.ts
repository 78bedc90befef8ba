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
  leasedCopyFrom,
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
import type { OnPrimary } from './classify/classified-call.js'
import type { UnannotatedWork } from './classify/unannotated-work.js'
import type { ReaderHost, ReadLane } from './reader-pool.js'
import type { ReplicaSession } from './replica-pool.js'
import type { ReaderOptions } from './replicas-options.js'
import { SessionLease } from './session-lease.js'
import type { SessionReads } from './session-reads.js'
import type { TokenCodec } from './session-token.js'

/** What a session needs of the pool it is a view of. */
export interface SessionPoolHost extends ReaderHost {
  /** Runs what is neither called a read nor a write. */
  readonly unannotated: UnannotatedWork
  /** Where its writes go; throws once the pool is closed. */
  writable(): Pool
  /** Work goes there. */
  countWrite(): void
  /** Time now. */
  now(): number
  /** A view for reads of the session. */
  readerOf(lane: ReadLane, options: ReaderOptions): Pool
}

/** A view that shows its user his own writes, and nothing older than what he has seen. Closing it closes nothing else. */
export class SessionPool implements ReplicaSession {
  readonly name: string
  /** What its reads accept, and what they must see. */
  readonly lane: ReadLane
  readonly #host: SessionPoolHost
  readonly #reads: SessionReads
  readonly #codec: TokenCodec
  #closed = false
  #hasWritten = false

  /** Makes the view. */
  constructor(
    name: string,
    host: SessionPoolHost,
    lane: ReadLane & { readonly session: SessionReads },
    codec: TokenCodec,
  ) {
    this.name = name
    this.lane = lane
    this.#host = host
    this.#reads = lane.session
    this.#codec = codec
  }

  get token(): string {
    const { token } = this.#reads
    if (token === undefined) return ''
    return token === 'strong' ? this.#codec.encodeStrong() : this.#codec.encode(token)
  }

  get hasWritten(): boolean {
    return this.#hasWritten
  }

  async freshToken(): Promise<string> {
    await this.#reads.settle()
    return this.token
  }

  async caughtUp(options: { waitMs?: number | undefined } = {}): Promise<boolean> {
    return await this.#reads.isCaughtUp(this.lane.route, options.waitMs ?? 0)
  }

  /** Whether it is a view of this pool. */
  belongsTo(host: unknown): boolean {
    return this.#host === host
  }

  reader(options: ReaderOptions = {}): Pool {
    return this.#host.readerOf(this.lane, options)
  }

  async query<Row = Record<string, unknown>>(
    first: string | Statement,
    second?: readonly unknown[] | QueryOptions,
    third?: QueryOptions,
  ): Promise<QueryResult<Row>> {
    const { statement, options } = readQueryArguments(first, second, third)
    this.#open()
    if (options?.intent === 'read') {
      return await this.#host.queryRead<Row>(this.lane, statement, options)
    }
    const onPrimary: OnPrimary<Row> = (own, limits) => this.#write<Row>(own, limits)
    if (options?.intent === 'write') return await onPrimary(statement, options)
    return await this.#host.unannotated.query<Row>(this.lane, statement, options, onPrimary)
  }

  async acquire(options?: AcquireOptions): Promise<Lease> {
    const primary = this.#open()
    if (options?.intent === 'read') return await this.#host.acquireRead(this.lane, options)
    this.#writes()
    return new SessionLease(await primary.acquire(options), this.#reads)
  }

  async use<R>(work: (lease: Lease) => Promise<R>, options?: AcquireOptions): Promise<R> {
    const primary = this.#open()
    if (options?.intent === 'read') return await this.#host.useRead(this.lane, work, options)
    this.#writes()
    return await this.#reads.written(
      primary.use((lease) => work(new SessionLease(lease, this.#reads)), options),
    )
  }

  async transaction<R>(
    work: (tx: Transaction) => Promise<R>,
    options: TransactionOptions = {},
  ): Promise<R> {
    const primary = this.#open()
    if (options.readOnly === true) {
      return await this.#host.transactionRead(this.lane, work, options)
    }
    this.#writes()
    let node: string | undefined
    const limits = this.#reads.limitsOf(options)
    const over = this.#reads.begin(undefined)
    try {
      const value = await this.#reads.written(
        primary.transaction(async (tx) => {
          node = tx.node
          return await work(tx)
        }, options),
      )
      await this.#reads.wrote(node, limits)
      return value
    } finally {
      over()
    }
  }

  stream<Row = Record<string, unknown>>(
    first: string | Statement,
    second?: readonly unknown[] | StreamOptions,
    third?: StreamOptions,
  ): StreamIterator<Row> {
    const { statement, options } = readStreamArguments(first, second, third)
    if (options?.intent === 'read') {
      return this.#host.streamRead<Row>(this.lane, statement, options, () => this.#open())
    }
    const onPrimary = (): StreamIterator<Row> =>
      leasedRows<Row>((wait) => this.acquire(wait), statement, options)
    if (options?.intent === 'write') return onPrimary()
    const { unannotated } = this.#host
    return unannotated.stream<Row>(this.lane, statement, options, onPrimary, () => this.#open())
  }

  copyTo(sql: string, options?: CopyToOptions): StreamIterator<Uint8Array> {
    checkCopyToArguments(sql, options)
    if (options?.intent === 'read') {
      return this.#host.copyToRead(this.lane, sql, options, () => this.#open())
    }
    const onPrimary = (): StreamIterator<Uint8Array> => this.copyToPrimary(sql, options)
    if (options?.intent === 'write') return onPrimary()
    const { unannotated } = this.#host
    return unannotated.copyTo(this.lane, sql, options, onPrimary, () => this.#open())
  }

  /** A copy out of the primary, whatever its text says. Takes checked arguments. */
  copyToPrimary(sql: string, options: CopyToOptions | undefined): StreamIterator<Uint8Array> {
    const now = (): number => this.#host.now()
    return leasedCopyTo(now, (wait) => this.acquire(wait), sql, options)
  }

  async copyFrom(sql: string, source: CopySource, options?: CopyOptions): Promise<CopyResult> {
    checkCopyFromArguments(sql, source, options)
    const now = (): number => this.#host.now()
    return await leasedCopyFrom(now, (wait) => this.acquire(wait), sql, source, options)
  }

  async listen(
    channel: string,
    onNotify: NotifyListener,
    options?: ListenOptions,
  ): Promise<Subscription> {
    return await this.#open().listen(channel, onNotify, options)
  }

  async ready(options?: ReadyOptions): Promise<void> {
    this.#open()
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

  async #write<Row>(
    statement: Statement,
    options: QueryOptions | undefined,
  ): Promise<QueryResult<Row>> {
    const primary = this.#open()
    this.#writes()
    const limits = this.#reads.limitsOf(options)
    const asked = this.#reads.askBehind()
    const sent = asked?.behind(statement) ?? statement
    const result = await this.#reads.written(primary.query<Row>(sent, options))
    await this.#reads.wrote(result.node, limits, asked?.position)
    return result
  }

  #writes(): void {
    this.#hasWritten = true
    this.#host.countWrite()
  }

  #open(): Pool {
    if (this.#closed) throw new PoolClosedError(this.name)
    return this.#host.writable()
  }
}
