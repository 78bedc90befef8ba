import {
  type CloseOptions,
  type ConnectionPool,
  type Pool,
  PoolClosedError,
  type PoolEventName,
  type PoolListener,
  type PoolStats,
  type QueryOptions,
  type QueryResult,
  type Statement,
  type Topology,
  type TransactionOptions,
} from '@poolhouse/core'
import {
  awaitIdle,
  type CheckedCloseOptions,
  checkNumber,
  describeValue,
  EventHub,
  type PoolCall,
  PoolDecorator,
  type QueryArguments,
  readCloseOptions,
  readQueryArguments,
} from '@poolhouse/core/kit'
import {
  AcquireErrand,
  type Errand,
  ListenErrand,
  QueryErrand,
  StreamErrand,
  TransactionErrand,
  UseErrand,
} from './calls/call.js'
import { Courier } from './calls/call-dispatcher.js'
import { InDoubtResolver } from './in-doubt-resolver.js'
import type { HeldCalls } from './judge/describe-change.js'
import type { FailoverConfig } from './options/failover-options.js'
import type { NodeSource } from './options/node-source.js'
import { PrimarySession } from './primary-session.js'
import { Readiness } from './readiness.js'
import { Switchover, type SwitchoverOptions } from './switchover.js'
import { Cluster, type DrainOptions } from './watch/node-registry.js'
import type { TopologyWatch } from './watch/topology-watch.js'

const LONGEST = 0x7fffffff
// How long a switchover may take by default where calls are not held.
const SWITCHOVER_MS = 10_000

// Everything else is told by the failover pool itself.
const RELAYED: ReadonlySet<PoolEventName> = new Set<PoolEventName>([
  'connect',
  'acquire',
  'release',
  'destroy',
  'leak',
  'deadlock',
  'overload',
  'pooler',
  'servers',
  'durability',
  'error',
])

/** A `Pool` that is always the current primary. */
export interface FailoverPool extends Pool {
  /** Who is primary and who is replica, for `withReplicas`, dashboards and health checks. */
  readonly topology: Topology
  /**
   * Moves the primary without a failed call: holds new work, waits until nothing is under way on
   * the primary (open transactions and leases finish), runs `fn`, which promotes another node by
   * whatever means the cluster has, finds the new primary and lets the held work go there. A
   * restart of the primary in place is a move too. Resolves with what `fn` resolves with.
   *
   * Work is held only for `timeoutMs`: what is not over by then goes on without it. Rejects with
   * what `fn` rejects with, and with `PoolhouseError` (code `POOLHOUSE_SWITCHOVER`) if another
   * switchover is under way, if there is no primary, if the work did not end in time (`fn` was not
   * called then) or if `fn` has changed nothing; the work then goes on where the primary is. `fn`
   * must not use this pool: its calls would be held too.
   */
  switchover<R>(fn: (signal: AbortSignal) => Promise<R>, options?: SwitchoverOptions): Promise<R>
  /**
   * Gives the replica of this name no new work, until `undrain`; what is under way there may
   * finish. Its state is `draining` whenever it is well. Resolves when nothing is under way on it
   * any more. If a drained node is promoted it gets the writes all the same. Of two nodes that
   * claim one timeline (split brain) a drained one is not believed, so that the other gets the
   * work.
   *
   * Rejects with `RangeError` for an unknown node, and with `PoolhouseError` (code
   * `POOLHOUSE_DRAIN`) for the primary, which `switchover` moves, and if something is still under
   * way after `timeoutMs`.
   */
  drain(id: string, options?: DrainOptions): Promise<void>
  /** Ends `drain`. Throws `RangeError` for an unknown node. */
  undrain(id: string): void
  /**
   * Takes another system for our cluster, after pg_upgrade or a restore: its nodes are `foreign`
   * until then, and those of the former system afterwards. Throws `RangeError` if no node has told
   * this system identifier.
   */
  acceptSystem(systemId: string): void
}

/**
 * Sends each call to the current primary. `TopologyWatch` decides which node that is; `Courier`
 * holds calls and sends them again.
 */
export class PrimaryPool extends PoolDecorator implements FailoverPool {
  readonly #config: FailoverConfig
  readonly #cluster: Cluster
  readonly #hub = new EventHub()
  readonly #watch: TopologyWatch
  readonly #courier: Courier
  readonly #session: PrimarySession
  readonly #resolver: TransactionOptions['resolver']
  readonly #switchover: Switchover
  readonly #readiness: Readiness
  readonly #closed = new AbortController()
  // The pool of the primary while there is one and this pool is open: with it a call costs nothing
  // extra.
  #target: ConnectionPool | undefined
  #closing: Promise<void> | undefined
  // Whether the last call was served, or refused.
  #stopped = false

  /** Takes checked options and begins to watch; `withFailover` is the public way. */
  constructor(source: NodeSource, config: FailoverConfig) {
    super()
    this.#config = config
    this.#cluster = new Cluster({
      config,
      hub: this.#hub,
      relayed: RELAYED,
      held: () => this.#heldCalls(),
      changed: () => this.#topologyChanged(),
    })
    this.#watch = this.#cluster.watch
    this.#courier = new Courier(config, this.#watch, this.#hub, () => this.#turn())
    this.#resolver = this.#makeResolver()
    this.#session = new PrimarySession({
      config,
      hub: this.#hub,
      hint: (node) => this.#watch.hint(node),
    })
    this.#switchover = new Switchover({
      name: config.name,
      clock: config.clock,
      watch: this.#watch,
      courier: this.#courier,
      timeoutMs: config.hold?.timeoutMs ?? SWITCHOVER_MS,
      closed: this.#closed.signal,
      turned: () => this.#turn(),
      failed: (error) => this.#hub.emit('error', { pool: config.name, error }),
    })
    this.#readiness = new Readiness(config, this.#watch, this.#closed.signal)
    this.#cluster.start(source)
  }

  get name(): string {
    return this.#config.name
  }

  get topology(): Topology {
    return this.#watch
  }

  /** Measured: while there is a primary, without an object for the call. */
  override query<Row = Record<string, unknown>>(
    first: string | Statement,
    second?: readonly unknown[] | QueryOptions,
    third?: QueryOptions,
  ): Promise<QueryResult<Row>> {
    const target = this.#target
    const startedAt = this.#config.clock.now()
    this.#courier.count(startedAt)
    let call: QueryArguments
    try {
      call = readQueryArguments(first, second, third)
    } catch (error) {
      return Promise.reject(error)
    }
    const { statement, options } = call
    if (target === undefined) return this.#queryLater<Row>(startedAt, statement, options)
    return target.query<Row>(statement, options).then(undefined, (error: unknown) => {
      const errand = new QueryErrand<Row>(statement, options, startedAt)
      return this.#courier.carry(errand, { pool: target, error })
    })
  }

  protected async send<R>(call: PoolCall<R>): Promise<R> {
    this.#refuseWhenClosing()
    const startedAt = this.#config.clock.now()
    switch (call.kind) {
      case 'query':
        return await call.run(this)
      case 'ready':
        return await call.run({ ready: (options) => this.#readiness.wait(options) })
      case 'use':
        return await call.run({
          use: (work, options) => this.#carry(new UseErrand(work, options, startedAt)),
        })
      case 'transaction':
        return await call.run({
          transaction: (work, options) =>
            this.#carry(new TransactionErrand(work, options, startedAt, this.#resolver)),
        })
      case 'acquire':
        return await this.#carry(new AcquireErrand(call, startedAt))
      case 'listen':
        return await this.#carry(new ListenErrand(call, this.#session.channels, startedAt))
      case 'stream':
      case 'copyTo':
      case 'copyFrom': {
        const now = (): number => this.#config.clock.now()
        return await this.#carry(new StreamErrand(call, now, startedAt))
      }
    }
  }

  async switchover<R>(
    fn: (signal: AbortSignal) => Promise<R>,
    options?: SwitchoverOptions,
  ): Promise<R> {
    this.#refuseWhenClosing()
    return await this.#switchover.run(fn, options)
  }

  async drain(id: string, options: DrainOptions = {}): Promise<void> {
    checkLimits('drain', options)
    await this.#cluster.drain(id, options)
  }

  undrain(id: string): void {
    this.#cluster.undrain(id)
  }

  acceptSystem(systemId: string): void {
    this.#cluster.acceptSystem(systemId)
  }

  stats(): PoolStats {
    const sum = this.#cluster.stats()
    return Object.freeze({ ...sum, pending: sum.pending + this.#courier.held })
  }

  on<Name extends PoolEventName>(event: Name, listener: PoolListener<Name>): this {
    this.#cluster.events.on(event, listener)
    return this
  }

  off<Name extends PoolEventName>(event: Name, listener: PoolListener<Name>): this {
    this.#cluster.events.off(event, listener)
    return this
  }

  close(options: CloseOptions = {}): Promise<void> {
    if (this.#closing === undefined) {
      let checked: CheckedCloseOptions
      try {
        // Before anything is stopped.
        checked = readCloseOptions(options)
      } catch (error) {
        return Promise.reject(error as Error)
      }
      this.#closing = this.#close(checked)
    }
    return this.#closing
  }

  async #close({ timeoutMs, waiters }: CheckedCloseOptions): Promise<void> {
    const { clock } = this.#config
    const deadline = clock.now() + timeoutMs
    this.#target = undefined
    this.#courier.refuseListening()
    const channels = this.#session.channels.close()
    // Calls that were let in are served: the nodes are still watched, and a primary may appear.
    if (waiters === 'serve') await awaitIdle(clock, () => this.#underWay, deadline)
    this.#stopped = true
    this.#courier.close()
    this.#closed.abort()
    this.#readiness.topologyChanged()
    this.#cluster.stop()
    const left = { timeoutMs: Math.max(0, deadline - clock.now()), waiters }
    await Promise.all([channels, this.#cluster.close(left)])
  }

  /** Calls that have not been answered. */
  get #underWay(): number {
    return this.#courier.carrying + this.#cluster.underWay
  }

  /** Calls that were let in before may still be held. */
  #refuseWhenClosing(): void {
    if (this.#closing !== undefined) throw new PoolClosedError(this.name)
  }

  /** Without timelines nothing can be proved, so nobody pays for the question. */
  #makeResolver(): TransactionOptions['resolver'] {
    if (this.#config.fence === 'off') return undefined
    const watch = this.#watch
    const resolver = new InDoubtResolver({
      clock: this.#config.clock,
      get present() {
        return watch.present
      },
      get systemId() {
        return watch.current.systemId
      },
      primary: (deadline, signal) => this.#courier.primary(deadline, signal),
      hint: (node) => watch.hint(node),
    })
    return (transaction) => resolver.resolverOf(transaction)
  }

  #topologyChanged(): void {
    if (this.#stopped) return
    this.#session.follow(this.#watch.primary)
    this.#courier.topologyChanged()
    this.#readiness.topologyChanged()
    this.#turn()
  }

  /** Calls may go straight to the primary, or may not any more. */
  #turn(): void {
    this.#target = this.#closing === undefined ? this.#courier.target : undefined
  }

  #heldCalls(): HeldCalls | undefined {
    const { held: calls, heldMs } = this.#courier
    return heldMs === undefined ? undefined : { calls, heldMs }
  }

  async #queryLater<Row>(
    startedAt: number,
    statement: Statement,
    options: QueryOptions | undefined,
  ): Promise<QueryResult<Row>> {
    checkLimits('query', options)
    this.#refuseWhenClosing()
    return await this.#courier.carry(new QueryErrand<Row>(statement, options, startedAt))
  }

  async #carry<R>(errand: Errand<R>): Promise<R> {
    this.#courier.count(errand.startedAt)
    const target = this.#target
    if (target === undefined) return await this.#courier.carry(errand)
    try {
      return await errand.send(target, errand.timeoutMs)
    } catch (error) {
      return await this.#courier.carry(errand, { pool: target, error })
    }
  }
}

/**
 * What a call that waits would otherwise learn only at the end of its wait. The rest is checked by
 * the node's pool.
 */
function checkLimits(
  where: string,
  options: { timeoutMs?: unknown; signal?: unknown } | undefined,
): void {
  if (options === undefined) return
  const { timeoutMs, signal } = options
  if (timeoutMs !== undefined) {
    checkNumber(where, 'timeoutMs', timeoutMs, { min: Number.MIN_VALUE, max: LONGEST })
  }
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new TypeError(`${where}: signal must be an AbortSignal, got ${describeValue(signal)}`)
  }
}
