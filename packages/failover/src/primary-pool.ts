import {
  type CloseOptions,
  type ConnectionPool,
  type Pool,
  PoolClosedError,
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
  checkQueryOptions,
  type Driven,
  EventHub,
  type PoolCall,
  partyOfCall,
  type QueryArguments,
  RelayingPool,
  readable,
  readCloseOptions,
  readQueryArguments,
  stateOfPool,
} from '@poolhouse/core/kit'
import { AcquireCall } from './calls/acquire-call.js'
import type { Call } from './calls/call.js'
import { CallDispatcher } from './calls/call-dispatcher.js'
import { ListenCall } from './calls/listen-call.js'
import { QueryCall } from './calls/query-call.js'
import { StreamCall } from './calls/stream-call.js'
import { TransactionCall } from './calls/transaction-call.js'
import { UseCall } from './calls/use-call.js'
import { InDoubtResolver } from './in-doubt-resolver.js'
import type { FailoverConfig } from './options/failover-options.js'
import type { NodeSource } from './options/node-source.js'
import { PrimarySession } from './primary-session.js'
import { Readiness } from './readiness.js'
import { Switchover, type SwitchoverOptions } from './switchover.js'
import { type DrainOptions, NodeRegistry } from './watch/node-registry.js'
import type { TopologyWatch } from './watch/topology-watch.js'

/** A `Pool` that is always the current primary. */
export interface FailoverPool<Raw = unknown> extends Pool<Raw> {
  /** Who is primary and who is replica, for `withReplicas`, dashboards and health checks. */
  readonly topology: Topology
  /**
   * Moves the primary without a failed call: holds new calls, waits until nothing is under way on
   * the primary (open transactions and leases finish), runs `fn`, finds the new primary and sends
   * the held calls there. `fn` promotes another node, by whatever means the cluster offers; it may
   * also restart the primary in place. Resolves with what `fn` resolves with. `fn` must not use
   * this pool, because its calls would be held too.
   *
   * Calls are held for `timeoutMs` at most. Rejects with what `fn` rejects with, and with
   * `PoolhouseError` (code `POOLHOUSE_SWITCHOVER`) if another switchover is under way, if there is
   * no primary, if the work under way did not end in time (`fn` was not called then), or if `fn`
   * changed nothing. Calls then go on wherever the primary is.
   *
   * @example
   * await primary.switchover(async () => {
   *   await fetch('http://a:8008/switchover', { method: 'POST', body: '{"leader":"a"}' })
   * })
   */
  switchover<R>(fn: (signal: AbortSignal) => Promise<R>, options?: SwitchoverOptions): Promise<R>
  /**
   * Gives the replica of this name no new work until `undrain`. Work under way there may finish;
   * the promise resolves when it has. As long as the replica is healthy its state is `draining`. A
   * drained node that is promoted still gets the writes. In a split brain, a drained node
   * loses against the other one.
   *
   * Rejects with `RangeError` for an unknown node. Rejects with `PoolhouseError` (code
   * `POOLHOUSE_DRAIN`) for the primary, which only `switchover` can move, and if work is still
   * under way after `timeoutMs`.
   *
   * @example
   * await primary.drain('replica-b', { timeoutMs: 30_000 }) // then restart it
   * primary.undrain('replica-b')
   */
  drain(id: string, options?: DrainOptions): Promise<void>
  /**
   * Ends `drain`. Throws `RangeError` for an unknown node.
   *
   * @example
   * primary.undrain('replica-b')
   */
  undrain(id: string): void
  /**
   * Makes this system our cluster, after pg_upgrade or a restore. Its nodes are `foreign` before
   * that, and those of the former system afterwards. Throws `RangeError` if no node has this system
   * identifier.
   *
   * @example
   * primary.acceptSystem('7438261930471829012') // after pg_upgrade
   */
  acceptSystem(systemId: string): void
}

/**
 * Sends each call to the current primary. `TopologyWatch` decides which node that is;
 * `CallDispatcher` holds calls and sends them again.
 */
export class PrimaryPool extends RelayingPool implements FailoverPool, Driven {
  static {
    readable(PrimaryPool, 'FailoverPool', (pool) => {
      const { primary, nodes } = pool.topology.current
      return {
        ...stateOfPool(pool),
        primary: primary?.id,
        nodes: Object.fromEntries(nodes.map(({ id, state }) => [id, state])),
      }
    })
  }

  readonly #config: FailoverConfig
  readonly #registry: NodeRegistry
  readonly #hub = new EventHub()
  readonly #watch: TopologyWatch
  readonly #dispatcher: CallDispatcher
  readonly #session: PrimarySession
  readonly #resolver: TransactionOptions['resolver']
  readonly #switchover: Switchover
  readonly #readiness: Readiness
  readonly #closed = new AbortController()
  // The primary's pool if calls may go straight to it; else undefined. A call that finds it costs
  // nothing extra.
  #target: ConnectionPool | undefined
  #closing: Promise<void> | undefined
  // Whether every call has been answered and watching has ended.
  #stopped = false

  /** Begins to watch the nodes. `withFailover` checks the arguments. */
  constructor(source: NodeSource, config: FailoverConfig) {
    super()
    this.#config = config
    this.#registry = new NodeRegistry(
      config,
      this.#hub,
      () => this.#dispatcher.held,
      () => this.#topologyChanged(),
    )
    const hub = this.#hub
    const { watch } = this.#registry
    const closed = this.#closed.signal
    const dispatcher = new CallDispatcher(config, watch, hub, () => this.#updateTarget())
    this.#watch = watch
    this.#dispatcher = dispatcher
    this.#session = new PrimarySession(config, hub, watch)
    this.#readiness = new Readiness(config, watch, closed)
    this.#switchover = new Switchover({ config, hub, watch, dispatcher, closed })
    // Without timelines nothing can be proved about a lost COMMIT, so there is no resolver.
    if (config.fence === 'timeline') {
      const resolver = new InDoubtResolver(config.clock, watch, dispatcher)
      this.#resolver = (transaction) => resolver.resolverOf(transaction)
    }
    this.#registry.start(source)
  }

  get name(): string {
    return this.#config.name
  }

  get topology(): Topology {
    return this.#watch
  }

  get drivenBy(): Iterable<Pool> {
    return this.#watch.current.nodes.map(({ pool }) => pool)
  }

  get connectsWith(): Pool | undefined {
    const { primary, nodes } = this.#watch.current
    return (primary ?? nodes[0])?.pool
  }

  /** Hot path, measured: while there is a primary, no object is made for the call. */
  override query<Row = Record<string, unknown>>(
    first: string | Statement,
    second?: readonly unknown[] | QueryOptions,
    third?: QueryOptions,
  ): Promise<QueryResult<Row>> {
    const target = this.#target
    const startedAt = this.#config.clock.now()
    this.#dispatcher.count(startedAt)
    let call: QueryArguments
    try {
      call = readQueryArguments(first, second, third)
    } catch (error) {
      return Promise.reject(error)
    }
    const { statement, options } = call
    if (target === undefined) return this.#queryLater<Row>(startedAt, statement, options)
    const party = partyOfCall()
    return target.query<Row>(statement, options).then(undefined, (error: unknown) => {
      const failed = new QueryCall<Row>(statement, options, startedAt, party)
      return this.#dispatcher.dispatch(failed, { pool: target, error })
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
          use: (work, options) => this.#dispatch(new UseCall(work, options, startedAt)),
        })
      case 'transaction':
        return await call.run({
          transaction: (work, options) =>
            this.#dispatch(new TransactionCall(work, options, startedAt, this.#resolver)),
        })
      case 'acquire':
        return await this.#dispatch(new AcquireCall(call, startedAt))
      case 'listen':
        return await this.#dispatch(new ListenCall(call, this.#session.channels, startedAt))
      case 'stream':
      case 'copyTo':
      case 'copyFrom': {
        const now = (): number => this.#config.clock.now()
        return await this.#dispatch(new StreamCall(call, now, startedAt))
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
    await this.#registry.drain(id, options)
  }

  undrain(id: string): void {
    this.#registry.undrain(id)
  }

  acceptSystem(systemId: string): void {
    this.#registry.acceptSystem(systemId)
  }

  stats(): PoolStats {
    const sum = this.#registry.stats()
    return Object.freeze({ ...sum, pending: sum.pending + (this.#dispatcher.held?.calls ?? 0) })
  }

  protected override keeperOf(): NodeRegistry['events'] {
    return this.#registry.events
  }

  close(options: CloseOptions = {}): Promise<void> {
    try {
      // Wrong options stop nothing.
      this.#closing ??= this.#close(readCloseOptions(options))
      return this.#closing
    } catch (error) {
      return Promise.reject(error)
    }
  }

  async #close({ timeoutMs, waiters }: CheckedCloseOptions): Promise<void> {
    const { clock } = this.#config
    const deadline = clock.now() + timeoutMs
    this.#target = undefined
    this.#dispatcher.refuseListening()
    const channels = this.#session.channels.close()
    // Serve the calls that were accepted: the nodes are still watched, and a primary may appear.
    if (waiters === 'serve') await awaitIdle(clock, () => this.#underWay, deadline)
    this.#stopped = true
    this.#dispatcher.close()
    this.#closed.abort()
    this.#readiness.topologyChanged()
    this.#registry.stop()
    const left = { timeoutMs: Math.max(0, deadline - clock.now()), waiters }
    await Promise.all([channels, this.#registry.close(left)])
  }

  /** How many calls have not been answered. */
  get #underWay(): number {
    return this.#dispatcher.dispatching + this.#registry.underWay
  }

  /** Refuses new calls once the pool closes. Calls that were accepted before may still be held. */
  #refuseWhenClosing(): void {
    if (this.#closing !== undefined) throw new PoolClosedError(this.name)
  }

  #topologyChanged(): void {
    if (this.#stopped) return
    this.#session.follow(this.#watch.primary)
    this.#dispatcher.topologyChanged()
    this.#readiness.topologyChanged()
  }

  #updateTarget(): void {
    this.#target = this.#closing === undefined ? this.#dispatcher.target : undefined
  }

  async #queryLater<Row>(
    startedAt: number,
    statement: Statement,
    options: QueryOptions | undefined,
  ): Promise<QueryResult<Row>> {
    // Before it waits; the node's pool would do so when the call is sent.
    if (options !== undefined) checkQueryOptions(options)
    this.#refuseWhenClosing()
    return await this.#dispatcher.dispatch(
      new QueryCall<Row>(statement, options, startedAt, partyOfCall()),
    )
  }

  async #dispatch<R>(call: Call<R>): Promise<R> {
    this.#dispatcher.count(call.startedAt)
    const target = this.#target
    if (target === undefined) return await this.#dispatcher.dispatch(call)
    try {
      return await call.send(target, call.timeoutMs)
    } catch (error) {
      return await this.#dispatcher.dispatch(call, { pool: target, error })
    }
  }
}
