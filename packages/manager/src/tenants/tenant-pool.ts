import {
  type AcquireOptions,
  type Clock,
  type CopyOptions,
  type CopyResult,
  type CopySource,
  checkCopyFromArguments,
  checkCopyToArguments,
  EventHub,
  EventRelay,
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
  sumStats,
  type Transaction,
  type TransactionOptions,
} from '@poolhouse/core'
import type { ReaderOptions } from '@poolhouse/read-replicas'
import type { DatabasePool } from '../database-pool.js'
import type { Tenant } from './tenant.js'
import type { TenantDirectory } from './tenant-directory.js'
import type { TenantScope } from './tenant-scope.js'

/** One tenant, resolved with its first call and again when the answer has grown old. */
export class TenantPool implements DatabasePool {
  readonly name: string
  readonly #id: string
  readonly #directory: TenantDirectory
  readonly #scope: TenantScope
  readonly #clock: Clock
  readonly #pick: (tenant: Tenant) => Pool
  // Made with the first listener.
  #events: { readonly relay: EventRelay; source: Pool | undefined } | undefined
  #closed = false

  /** Takes a checked id. `pick` chooses the pool of the tenant: all of it, or a reader. */
  constructor(
    id: string,
    directory: TenantDirectory,
    scope: TenantScope,
    clock: Clock,
    pick: (tenant: Tenant) => Pool = ({ pool }) => pool,
  ) {
    this.name = id
    this.#id = id
    this.#directory = directory
    this.#scope = scope
    this.#clock = clock
    this.#pick = pick
  }

  query<Row = Record<string, unknown>>(
    first: string | Statement,
    second?: readonly unknown[] | QueryOptions,
    third?: QueryOptions,
  ): Promise<QueryResult<Row>> {
    try {
      const { statement, options } = readQueryArguments(first, second, third)
      return this.#call((pool) => pool.query<Row>(statement, options))
    } catch (error) {
      return Promise.reject(error)
    }
  }

  // Options are copied, since the tenant may have to be found first.

  acquire(given?: AcquireOptions): Promise<Lease> {
    const options = given && { ...given }
    return this.#call((pool) => pool.acquire(options))
  }

  use<R>(work: (lease: Lease) => Promise<R>, given?: AcquireOptions): Promise<R> {
    const options = given && { ...given }
    return this.#call((pool) => pool.use((lease) => this.#inScope(() => work(lease)), options))
  }

  transaction<R>(work: (tx: Transaction) => Promise<R>, given?: TransactionOptions): Promise<R> {
    const options = given && { ...given }
    return this.#call((pool) =>
      pool.transaction((tx) => this.#inScope(() => work(tx)), this.#ownKey(options)),
    )
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
    return leasedCopyTo(
      () => this.#clock.now(),
      (wait) => this.acquire(wait),
      sql,
      options,
    )
  }

  async copyFrom(sql: string, source: CopySource, options?: CopyOptions): Promise<CopyResult> {
    checkCopyFromArguments(sql, source, options)
    return await leasedCopyFrom(
      () => this.#clock.now(),
      (wait) => this.acquire(wait),
      sql,
      source,
      options,
    )
  }

  listen(channel: string, onNotify: NotifyListener, given?: ListenOptions): Promise<Subscription> {
    const options = given && { ...given }
    return this.#call((pool) => pool.listen(channel, onNotify, options))
  }

  reader(options?: ReaderOptions): Pool {
    return new TenantPool(this.#id, this.#directory, this.#scope, this.#clock, ({ pool }) =>
      pool.reader(options),
    )
  }

  ready(given?: ReadyOptions): Promise<void> {
    const options = given && { ...given }
    return this.#call((pool) => pool.ready(options))
  }

  stats(): PoolStats {
    return this.#directory.look(this.#id)?.pool.stats() ?? sumStats({})
  }

  on<Name extends PoolEventName>(event: Name, listener: PoolListener<Name>): this {
    this.#events ??= { relay: new EventRelay(new EventHub(), []), source: undefined }
    this.#events.relay.on(event, listener)
    const tenant = this.#directory.look(this.#id)
    if (tenant !== undefined) this.#follow(tenant.pool)
    return this
  }

  off<Name extends PoolEventName>(event: Name, listener: PoolListener<Name>): this {
    this.#events?.relay.off(event, listener)
    return this
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#events?.relay.stop()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #call<R>(work: (pool: Pool) => Promise<R>): Promise<R> {
    try {
      if (this.#closed) throw new PoolClosedError(this.name)
      this.#scope.check(this.#id)
      const tenant = this.#directory.peek(this.#id)
      return tenant === undefined ? this.#later(work) : this.#now(tenant, work)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  async #later<R>(work: (pool: Pool) => Promise<R>): Promise<R> {
    let tenant = await this.#directory.find(this.#id)
    // Between the answer and this line there may have been no room for it.
    while (tenant.gone) tenant = await this.#directory.find(this.#id)
    if (this.#closed) throw new PoolClosedError(this.name)
    return await this.#now(tenant, work)
  }

  #now<R>(tenant: Tenant, work: (pool: Pool) => Promise<R>): Promise<R> {
    if (this.#events !== undefined) this.#follow(tenant.pool)
    return work(this.#pick(tenant))
  }

  /** Whatever tenants share, a schema or a database, a key of one is none of another. */
  #ownKey(options: TransactionOptions | undefined): TransactionOptions | undefined {
    if (options?.idempotencyKey === undefined) return options
    if (options.idempotencyScope !== undefined) {
      throw new TypeError('transaction: idempotencyScope is the tenant, and cannot be given')
    }
    return { ...options, idempotencyScope: this.#id }
  }

  #inScope<R>(work: () => R): R {
    return this.#scope.run(this.#id, work)
  }

  #follow(pool: Pool): void {
    const events = this.#events
    if (events === undefined || events.source === pool) return
    if (events.source !== undefined) events.relay.remove(events.source)
    events.source = pool
    events.relay.add(pool)
  }
}
