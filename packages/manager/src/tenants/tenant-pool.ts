import {
  type AcquireOptions,
  type Clock,
  type CloseOptions,
  type Lease,
  type Pool,
  PoolClosedError,
  type PoolEventName,
  type PoolListener,
  type PoolStats,
  type QueryResult,
  type Statement,
  type Transaction,
  type TransactionOptions,
} from '@poolhouse/core'
import {
  type Driven,
  EventHub,
  EventRelay,
  type PoolCall,
  PoolDecorator,
  readCloseOptions,
  sumStats,
} from '@poolhouse/core/kit'
import type { ReaderOptions } from '@poolhouse/read-replicas'
import type { DatabasePool } from '../options/database-pool.js'
import type { CurrentTenant } from './current-tenant.js'
import type { Tenant } from './tenant.js'
import type { TenantDirectory } from './tenant-directory.js'
import { waitForTenant } from './wait-for-tenant.js'

/**
 * The pool of one tenant, which is resolved at its first call and again when the answer expires.
 */
export class TenantPool extends PoolDecorator implements DatabasePool, Driven {
  readonly name: string
  readonly #id: string
  readonly #directory: TenantDirectory
  readonly #scope: CurrentTenant
  readonly #clock: Clock
  readonly #pick: (tenant: Tenant) => Pool
  // Undefined before the first listener.
  #events: { readonly relay: EventRelay; source: Pool | undefined } | undefined
  #closed = false

  /** Takes a checked id. `pick` chooses the pool of the tenant itself, or a reader of it. */
  constructor(
    id: string,
    directory: TenantDirectory,
    scope: CurrentTenant,
    clock: Clock,
    pick: (tenant: Tenant) => Pool = ({ pool }) => pool,
  ) {
    super()
    this.name = id
    this.#id = id
    this.#directory = directory
    this.#scope = scope
    this.#clock = clock
    this.#pick = pick
  }

  /** Undefined until the tenant was first resolved: its target names the database. */
  get drivenBy(): Iterable<Pool> | undefined {
    const tenant = this.#directory.look(this.#id)
    return tenant && [tenant.pool]
  }

  get connectsWith(): Pool | undefined {
    return this.#directory.look(this.#id)?.pool
  }

  protected send<R>(call: PoolCall<R>): Promise<R> {
    if (this.#closed) throw new PoolClosedError(this.name)
    this.#scope.check(this.#id)
    const tenant = this.#directory.peek(this.#id)
    return tenant === undefined ? this.#later(call) : call.run(this.#poolOf(tenant))
  }

  override use<R>(work: (lease: Lease) => Promise<R>, options?: AcquireOptions): Promise<R> {
    return super.use(this.#scoped(work), options)
  }

  override transaction<R>(
    work: (tx: Transaction) => Promise<R>,
    options?: TransactionOptions,
  ): Promise<R>
  override transaction(
    statements: readonly (Statement | string)[],
    options?: TransactionOptions,
  ): Promise<QueryResult[]>
  override async transaction(
    work: ((tx: Transaction) => Promise<unknown>) | readonly (Statement | string)[],
    options?: TransactionOptions,
  ): Promise<unknown> {
    return await super.transaction(this.#scoped(work as never) as never, this.#ownKey(options))
  }

  reader(options?: ReaderOptions): Pool {
    return new TenantPool(this.#id, this.#directory, this.#scope, this.#clock, ({ pool }) =>
      pool.reader(options),
    )
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

  async close(options: CloseOptions = {}): Promise<void> {
    readCloseOptions(options)
    this.#closed = true
    this.#events?.relay.stop()
  }

  async #later<R>(call: PoolCall<R>): Promise<R> {
    const { timeoutMs } = call
    const startedAt = this.#clock.now()
    let tenant = await this.#found(call)
    // It may have been dropped for lack of room since it was found.
    while (tenant.gone) tenant = await this.#found(call)
    if (this.#closed) throw new PoolClosedError(this.name)
    if (timeoutMs === undefined) return await call.run(this.#poolOf(tenant))
    const waited = this.#clock.now() - startedAt
    return await call.run(this.#poolOf(tenant), { timeoutMs: Math.max(1, timeoutMs - waited) })
  }

  #found(call: PoolCall<unknown>): Promise<Tenant> {
    return waitForTenant(this.#directory.find(this.#id), this.#id, call, this.#clock)
  }

  #poolOf(tenant: Tenant): Pool {
    if (this.#events !== undefined) this.#follow(tenant.pool)
    return this.#pick(tenant)
  }

  /** Scopes idempotency keys by tenant, also where tenants share a schema or database. */
  #ownKey(options: TransactionOptions | undefined): TransactionOptions | undefined {
    if (options?.idempotencyKey === undefined) return options
    if (options.idempotencyScope !== undefined) {
      throw new TypeError(
        'transaction: idempotencyScope is set by the tenant pool and cannot be given',
      )
    }
    return { ...options, idempotencyScope: this.#id }
  }

  /**
   * Runs `work` in the scope of the tenant. An array of statements holds no code to run there; the
   * call itself refuses what is neither.
   */
  #scoped<Given, R>(work: (given: Given) => Promise<R>): (given: Given) => Promise<R> {
    if (typeof work !== 'function') return work
    return (given) => this.#scope.run(this.#id, () => work(given))
  }

  #follow(pool: Pool): void {
    const events = this.#events
    if (events === undefined || events.source === pool) return
    if (events.source !== undefined) events.relay.remove(events.source)
    events.source = pool
    events.relay.add(pool)
  }
}
