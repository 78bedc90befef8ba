import { checkAcquireOptions, checkReadyOptions, resetsAround } from './api/call-options.js'
import type { CopyResult, Driver } from './api/driver.js'
import type { Driven } from './api/driver-of.js'
import type { PoolEventName, PoolListener } from './api/events.js'
import type { Lease } from './api/lease.js'
import type { AcquireOptions, CloseOptions, ConnectionPool, ReadyOptions } from './api/pool.js'
import { changePoolConfig, type PoolConfig } from './api/pool-config.js'
import type { ReconfigureOptions, ResizeOptions } from './api/pool-options.js'
import type { PoolerInEffect } from './api/pooler.js'
import type { Session, SessionOptions } from './api/session.js'
import type { QueryOptions, QueryResult, Statement } from './api/statement.js'
import type { PoolSnapshot, PoolStats } from './api/stats.js'
import type { CopyOptions, CopySource, StreamArguments, StreamIterator } from './api/streaming.js'
import type { ListenOptions, NotifyListener, Subscription } from './api/subscription.js'
import { traceQuery, tracing } from './api/tracing.js'
import type { Transaction, TransactionOptions } from './api/transaction.js'
import { hintAtPgPool } from './api/words-of-pg.js'
import { messageOf } from './base/message-of.js'
import { refuseUnknownOptions } from './base/option-check.js'
import { leasedCopyFrom, leasedCopyTo, leasedRows } from './decorate/leased-stream.js'
import { readable } from './decorate/readable.js'
import { readCloseOptions } from './engine/pool-closing.js'
import { PoolEngine } from './engine/pool-engine.js'
import { SharedLane } from './lane/shared-lane.js'
import { SharedRun } from './lane/shared-run.js'
import { AcquireCall } from './lease/acquire-call.js'
import { snapshotOf } from './lease/lease-snapshot.js'
import { makeLease } from './lease/make-lease.js'
import { ServerSession } from './lease/server-session.js'
import { useLease } from './lease/use-lease.js'
import { ChannelListener } from './listen/channel-listener.js'
import { AbortError, ConnectionLostError, type PoolGauges } from './outcome/errors.js'
import { PoolhouseError } from './outcome/poolhouse-error.js'
import type { AcceptsServer } from './server/server-identity.js'
import { type ServerInUse, serversInUse } from './server/server-sightings.js'
import type { ConnectionSettings } from './settings/connection-settings.js'
import { type Endpoint, formatEndpoint } from './settings/endpoint.js'
import { silentSince } from './slot/silence.js'
import type { Slot } from './slot/slot.js'
import {
  checkCopyFromArguments,
  checkCopyToArguments,
  readQueryCall,
  readStreamArguments,
} from './statement/call-arguments.js'
import { refuseWhenCalled } from './statement/lone-statement.js'
import { aboutStatement } from './statement/session-work.js'
import { StatementRun } from './statement/statement-run.js'
import { refuseBehindPooler } from './statement/through-pooler.js'
import { runTransaction } from './transaction/transaction-runner.js'
import type { WatchedPool } from './watch/call-watcher.js'

// Above the priority of any caller, so that `ready()` also resolves in a pool whose callers keep
// its first connections.
const READY_PRIORITY = 1_000
const SIZE_OPTIONS: ReadonlySet<string> = new Set(['max', 'min'])

/**
 * A pool of connections to one server: checks what callers say and turns it into work for the
 * engine.
 */
export class ServerPool implements ConnectionPool, Driven, WatchedPool {
  static {
    hintAtPgPool(ServerPool)
    readable(ServerPool, 'ConnectionPool', (pool) => {
      const { pool: name, ...state } = pool.#engine.gauges()
      return { name, ...state }
    })
  }

  readonly #engine: PoolEngine
  // Which servers will do; undefined for any.
  readonly #accepts: AcceptsServer | undefined
  // Made with the first subscription: most pools have none.
  #channels: ChannelListener | undefined

  /**
   * Takes checked options; `createPool` is the public way. A view of another pool takes that one's
   * engine.
   */
  constructor(config: PoolConfig | PoolEngine, accepts?: AcceptsServer) {
    if (config instanceof PoolEngine) this.#engine = config
    else {
      this.#engine = new PoolEngine(config)
      this.#engine.lane = new SharedLane(this.#engine)
    }
    this.#accepts = accepts
    this.#engine.hub.watched ??= this
  }

  /** See `WatchedPool`. */
  get sizes(): WatchedPool['sizes'] {
    return this.#engine.config
  }

  /** See `WatchedPool`. */
  get leaks(): number {
    return this.#engine.recorder.leaks
  }

  /** See `WatchedPool`. */
  gauges(): PoolGauges {
    return this.#engine.gauges()
  }

  onlyTo(accepts: AcceptsServer): ConnectionPool {
    return new ServerPool(this.#engine, accepts)
  }

  get name(): string {
    return this.#engine.name
  }

  get endpoint(): Endpoint {
    return this.#engine.config.settings.endpoint
  }

  get drivenBy(): Driver {
    return this.#engine.config.driver
  }

  get connectsWith(): ConnectionSettings {
    return this.#engine.config.settings
  }

  get pooler(): PoolerInEffect | undefined {
    return this.#engine.pooler
  }

  query<Row = Record<string, unknown>>(
    first: string | Statement,
    second?: readonly unknown[] | QueryOptions,
    third?: QueryOptions,
  ): Promise<QueryResult<Row>> {
    if (!tracing.query.hasSubscribers) return this.#query(first, second, third)
    return traceQuery(this.name, first, () => this.#query<Row>(first, second, third))
  }

  #query<Row>(
    first: string | Statement,
    second: readonly unknown[] | QueryOptions | undefined,
    third: QueryOptions | undefined,
  ): Promise<QueryResult<Row>> {
    return new Promise((resolve) => {
      const { statement, options } = readQueryCall(first, second, third)
      const engine = this.#engine
      const lane = engine.lane as SharedLane
      const observer = engine.hub.calls?.observer
      const cost = observer?.comments === true ? undefined : lane.costOf(statement)
      try {
        if (options?.signal?.aborted) throw new AbortError(options.signal.reason, 'no')
        // What may share begins no transaction and takes no lock.
        if (cost?.shares !== true) refuseWhenCalled(statement)
      } catch (error) {
        throw aboutStatement(engine, error, statement.text)
      }
      const now = engine.now()
      if (cost !== undefined) {
        const run = new SharedRun(engine, lane, cost, statement, options, now, resolve)
        if (observer !== undefined) run.observe(observer)
        run.accepts = this.#accepts
        lane.run(run, now)
        return
      }
      const run = new StatementRun(engine, engine.returns, statement, options, now, resolve)
      if (observer !== undefined) run.observe(observer)
      const accepts = this.#accepts
      const slot = engine.take(now, accepts)
      if (slot === undefined) {
        run.accepts = accepts
        engine.wait(run, now, options?.timeoutMs)
      } else {
        engine.handoff.lend(slot, now, 0)
        run.receive(slot, now)
      }
    })
  }

  acquire(options?: AcquireOptions): Promise<Lease> {
    if (!tracing.acquire.hasSubscribers) return this.#acquire(options)
    return tracing.acquire.tracePromise(() => this.#acquire(options), { pool: this.name })
  }

  #acquire(options: AcquireOptions | undefined): Promise<Lease> {
    const engine = this.#engine
    const now = engine.now()
    if (options === undefined) {
      const slot = engine.take(now, this.#accepts)
      if (slot !== undefined) return Promise.resolve(this.#lend(slot, now))
      const promise = new Promise<Lease>(keepResolve)
      const call = new AcquireCall(engine, 0, undefined, resolveLast)
      resolveLast = ignore
      this.#wait(call, now, undefined)
      return promise
    }
    return this.#acquireWith(options, now)
  }

  #acquireWith(options: AcquireOptions, now: number): Promise<Lease> {
    const engine = this.#engine
    return new Promise((resolve) => {
      checkAcquireOptions(options)
      const { timeoutMs, signal, priority = 0 } = options
      if (signal?.aborted) throw new AbortError(signal.reason, 'no')
      const slot = engine.take(now, this.#accepts)
      const around = resetsAround(options)
      if (slot !== undefined) resolve(this.#lend(slot, now, around))
      else {
        const call = new AcquireCall(engine, priority, signal, resolve)
        if (around) call.resetAround = true
        this.#wait(call, now, timeoutMs)
      }
    })
  }

  tryAcquire(): Lease | undefined {
    const now = this.#engine.now()
    const slot = this.#engine.take(now, this.#accepts)
    return slot && this.#lend(slot, now)
  }

  #lend(slot: Slot, now: number, resetAround = false): Lease {
    this.#engine.handoff.lend(slot, now, 0)
    return makeLease(this.#engine, slot, resetAround)
  }

  #wait(call: AcquireCall, now: number, timeoutMs: number | undefined): void {
    call.accepts = this.#accepts
    const observer = this.#engine.hub.calls?.observer
    if (observer !== undefined) call.observe(observer, now)
    this.#engine.leaks.waits(call, now)
    this.#engine.wait(call, now, timeoutMs)
  }

  stream<Row = Record<string, unknown>>(...args: StreamArguments): StreamIterator<Row> {
    const { statement, options } = readStreamArguments(...args)
    return leasedRows<Row>((wait) => this.acquire(wait), statement, options)
  }

  copyTo(sql: string, options?: CopyOptions): StreamIterator<Uint8Array> {
    checkCopyToArguments(sql, options)
    return leasedCopyTo(
      () => this.#engine.now(),
      (wait) => this.acquire(wait),
      sql,
      options,
    )
  }

  async copyFrom(sql: string, source: CopySource, options?: CopyOptions): Promise<CopyResult> {
    checkCopyFromArguments(sql, source, options)
    return await leasedCopyFrom(
      () => this.#engine.now(),
      (wait) => this.acquire(wait),
      sql,
      source,
      options,
    )
  }

  use<R>(work: (lease: Lease) => Promise<R>, options?: AcquireOptions): Promise<R> {
    return useLease(this, this.#engine.deadlocks, work, options)
  }

  transaction<R>(work: (tx: Transaction) => Promise<R>, options?: TransactionOptions): Promise<R>
  transaction(
    statements: readonly (Statement | string)[],
    options?: TransactionOptions,
  ): Promise<QueryResult[]>
  transaction<R>(
    work: ((tx: Transaction) => Promise<R>) | readonly (Statement | string)[],
    options?: TransactionOptions,
  ): Promise<R> {
    const observer = this.#engine.hub.calls?.observer
    if (observer === undefined) return runTransaction(this, this.#engine, work, options)
    return observer.transaction(() => runTransaction(this, this.#engine, work, options))
  }

  async listen(
    channel: string,
    onNotify: NotifyListener,
    options?: ListenOptions,
  ): Promise<Subscription> {
    const engine = this.#engine
    refuseBehindPooler(this.name, engine.pooler, 'listen')
    this.#channels ??= new ChannelListener({
      name: this.name,
      clock: engine.clock,
      random: engine.config.random,
      hub: engine.hub,
      openSession: (sessionOptions) => this.#openSession(sessionOptions),
      isFinal: (error) => engine.growth.isFinal(error),
      endpoint: () => formatEndpoint(this.endpoint),
      timeoutMs: () => engine.config.connectTimeoutMs,
    })
    engine.lineBroke = () => this.#channels?.suspect()
    return await this.#channels.listen(channel, onNotify, options)
  }

  openSession(options: SessionOptions = {}): Promise<Session> {
    return this.#openSession(options, this.#accepts)
  }

  async #openSession(options: SessionOptions, accepts?: AcceptsServer): Promise<Session> {
    return new ServerSession(this.#engine, await this.#engine.sessions.open(options, accepts))
  }

  warm(count?: number): Promise<void> {
    return this.#engine.arrivals.warm(count)
  }

  resize(sizes: ResizeOptions): void {
    refuseUnknownOptions('resize', sizes, SIZE_OPTIONS)
    this.#engine.apply(changePoolConfig('resize', this.#engine.config, sizes), false)
  }

  reconfigure(options: ReconfigureOptions): void {
    const config = changePoolConfig('reconfigure', this.#engine.config, options)
    this.#engine.apply(config, options.connection !== undefined)
    if (options.connection !== undefined) {
      this.#channels?.move(new PoolhouseError(`pool "${this.name}" has a new connection option`))
    }
  }

  suspend(): void {
    this.#engine.handoff.suspend()
  }

  resume(): void {
    this.#engine.handoff.resume()
  }

  recycle(): Promise<void> {
    this.#channels?.move(new PoolhouseError(`pool "${this.name}" replaces its connections`))
    return this.#engine.recycle()
  }

  suspect(_reason: string): void {
    this.#engine.handoff.suspect()
    this.#channels?.suspect()
  }

  reopen(reason: string): void {
    this.#engine.arrivals.reopen(reason)
  }

  refuseWaiting(reason: string): void {
    const message = `pool "${this.name}" has no connection for the callers that wait: ${reason}`
    this.#engine.refuseWaiters(new ConnectionLostError(message, { executed: 'no' }))
  }

  destroyAll(reason: string): void {
    if (this.#accepts !== undefined) {
      this.#engine.destroyOnly(this.#accepts, reason)
      return
    }
    this.#engine.destroyAll(reason)
    const message = `all connections of pool "${this.name}" were destroyed: ${reason}`
    this.#channels?.drop(new ConnectionLostError(message, { executed: 'no' }))
  }

  silentForMs(): number {
    const now = this.#engine.now()
    let longest = 0
    for (const slot of this.#engine.slots)
      longest = Math.max(longest, now - (silentSince(slot) ?? now))
    return longest
  }

  async close(options: CloseOptions = {}): Promise<void> {
    // Wrong options must close nothing.
    readCloseOptions(options)
    if (this.#accepts !== undefined) return
    await Promise.all([this.#channels?.close(), this.#engine.close(options)])
    this.#engine.hub.calls?.end()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async ready(options?: ReadyOptions): Promise<void> {
    if (options !== undefined) checkReadyOptions(options)
    const { timeoutMs, signal } = options ?? {}
    if (signal?.aborted) throw new AbortError(signal.reason, 'no')
    const engine = this.#engine
    // A lease may be held for any length of time, and shows that the pool works.
    if (engine.phase === 'open' && engine.gauges().leased > 0) return
    const lease = await this.acquire({ timeoutMs, signal, priority: READY_PRIORITY })
    lease.release()
  }

  stats(): PoolStats {
    const engine = this.#engine
    return engine.recorder.snapshot(engine.gauges(), engine.config.min)
  }

  servers(): readonly ServerInUse[] {
    return serversInUse([...this.#engine.slots].map(({ server }) => server))
  }

  inspect(): PoolSnapshot {
    const engine = this.#engine
    const now = engine.now()
    const leased = [...engine.slots].filter((slot) => slot.state === 'leased')
    const { lastError } = engine.growth
    return Object.freeze({
      name: this.name,
      endpoint: formatEndpoint(this.endpoint),
      pooler: engine.pooler,
      servers: this.servers(),
      leases: Object.freeze(leased.map((slot) => snapshotOf(slot, now, engine.config))),
      slowest: engine.recorder.slow.snapshot(now, engine.config.errorDetail === 'drop'),
      leaks: engine.leaks.snapshot(now),
      lastConnectError: lastError === undefined ? undefined : messageOf(lastError),
    })
  }

  on<Name extends PoolEventName>(event: Name, listener: PoolListener<Name>): this {
    this.#engine.hub.on(event, listener)
    return this
  }

  off<Name extends PoolEventName>(event: Name, listener: PoolListener<Name>): this {
    this.#engine.hub.off(event, listener)
    return this
  }
}

// What a promise's executor got, for the line after it: an executor that closes over its call would
// cost each acquire a closure and a context. Executors run synchronously, so no other call comes in
// between. It is forgotten there, because a promise stays alive through it, and with the promise
// the lease it was fulfilled with: such a lease would never be found leaked.
let resolveLast: (lease: Lease | PromiseLike<Lease>) => void = ignore

function ignore(): void {}

function keepResolve(resolve: (lease: Lease | PromiseLike<Lease>) => void): void {
  resolveLast = resolve
}
