import {
  type AcquireOptions,
  type CloseOptions,
  type ConnectionPool,
  checkNumber,
  checkWord,
  describeValue,
  EventHub,
  EventRelay,
  type Lease,
  type Pool,
  type PoolEventName,
  type PoolListener,
  type PoolStats,
  type QueryOptions,
  type QueryResult,
  readQueryArguments,
  refuseUnknownOptions,
  type Statement,
  sumStats,
  type Topology,
  type Transaction,
  type TransactionOptions,
} from '@poolhouse/core'
import { Courier } from './courier.js'
import { AcquireErrand, type Errand, QueryErrand, TransactionErrand, UseErrand } from './errand.js'
import type { FailoverConfig } from './failover-options.js'
import { PoolSigns } from './pool-signs.js'
import { SilenceWatch } from './silence-watch.js'
import { TopologyWatch } from './topology-watch.js'

const LONGEST = 0x7fffffff
const CLOSE_OPTIONS: ReadonlySet<string> = new Set(['timeoutMs', 'waiters'])

// Everything else is told by the failover pool itself.
const RELAYED: ReadonlySet<PoolEventName> = new Set<PoolEventName>([
  'connect',
  'acquire',
  'release',
  'destroy',
  'leak',
  'deadlock',
  'overload',
  'error',
])

/** A `Pool` that is always the current primary. */
export interface FailoverPool extends Pool {
  /** Who is primary and who is replica, for `withReplicas`, dashboards and health checks. */
  readonly topology: Topology
}

/** Sends every call to the pool of the current primary. Who that is, is the watch's business; waiting is the courier's. */
export class PrimaryPool implements FailoverPool {
  readonly #config: FailoverConfig
  readonly #nodes: readonly ConnectionPool[]
  readonly #hub = new EventHub()
  readonly #watch: TopologyWatch
  readonly #courier: Courier
  readonly #relay: EventRelay
  readonly #signs: PoolSigns
  readonly #silence: SilenceWatch | undefined
  // The pool of the primary while there is one and this pool is open: with it a call costs nothing extra.
  #target: ConnectionPool | undefined
  #closing: Promise<void> | undefined

  /** Takes checked options and begins to watch; `withFailover` is the public way. */
  constructor(nodes: readonly ConnectionPool[], config: FailoverConfig) {
    this.#config = config
    this.#nodes = nodes
    this.#watch = new TopologyWatch(nodes, config, this.#hub, () => this.#topologyChanged())
    this.#courier = new Courier(config, this.#watch, this.#hub)
    this.#relay = new EventRelay(this.#hub, nodes, RELAYED)
    this.#signs = new PoolSigns(nodes, config.clock, (node) => this.#watch.hint(node))
    this.#silence =
      config.watchdog &&
      new SilenceWatch(nodes, config.clock, config.watchdog, (node) => this.#watch.hint(node))
    this.#watch.start()
  }

  get name(): string {
    return this.#config.name
  }

  get topology(): Topology {
    return this.#watch
  }

  query<Row = Record<string, unknown>>(
    first: string | Statement,
    second?: readonly unknown[] | QueryOptions,
    third?: QueryOptions,
  ): Promise<QueryResult<Row>> {
    const target = this.#target
    const startedAt = this.#config.clock.now()
    if (target === undefined) return this.#queryLater<Row>(startedAt, first, second, third)
    return target
      .query<Row>(first as string, second as readonly unknown[], third)
      .then(undefined, (error: unknown) => {
        const { statement, options } = readQueryArguments(first, second, third)
        const errand = new QueryErrand<Row>(statement, options, startedAt)
        return this.#courier.carry(errand, { pool: target, error })
      })
  }

  acquire(options?: AcquireOptions): Promise<Lease> {
    return this.#run('acquire', options, (startedAt) => new AcquireErrand(options, startedAt))
  }

  use<R>(work: (lease: Lease) => Promise<R>, options?: AcquireOptions): Promise<R> {
    return this.#run('use', options, (startedAt) => {
      checkWork('use', work)
      return new UseErrand(work, options, startedAt)
    })
  }

  transaction<R>(work: (tx: Transaction) => Promise<R>, options?: TransactionOptions): Promise<R> {
    return this.#run('transaction', options, (startedAt) => {
      checkWork('transaction', work)
      checkRetry(options)
      return new TransactionErrand(work, options, startedAt)
    })
  }

  stats(): PoolStats {
    const sum = sumStats(Object.fromEntries(this.#nodes.map((node) => [node.name, node.stats()])))
    return Object.freeze({ ...sum, pending: sum.pending + this.#courier.held })
  }

  on<Name extends PoolEventName>(event: Name, listener: PoolListener<Name>): this {
    this.#relay.on(event, listener)
    return this
  }

  off<Name extends PoolEventName>(event: Name, listener: PoolListener<Name>): this {
    this.#relay.off(event, listener)
    return this
  }

  close(options?: CloseOptions): Promise<void> {
    if (this.#closing === undefined) {
      try {
        checkCloseOptions(options)
      } catch (error) {
        return Promise.reject(error as Error)
      }
      this.#closing = this.#close(options)
    }
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(options: CloseOptions | undefined): Promise<void> {
    this.#target = undefined
    this.#courier.close()
    this.#silence?.stop()
    this.#signs.stop()
    this.#watch.stop()
    try {
      const ends = await Promise.allSettled(this.#nodes.map((node) => node.close(options)))
      for (const end of ends) if (end.status === 'rejected') throw end.reason
    } finally {
      this.#relay.stop()
    }
  }

  #topologyChanged(): void {
    if (this.#closing !== undefined) return
    this.#target = this.#watch.primary
    this.#courier.topologyChanged()
  }

  async #queryLater<Row>(
    startedAt: number,
    first: string | Statement,
    second?: readonly unknown[] | QueryOptions,
    third?: QueryOptions,
  ): Promise<QueryResult<Row>> {
    const { statement, options } = readQueryArguments(first, second, third)
    checkLimits('query', options)
    return await this.#courier.carry(new QueryErrand<Row>(statement, options, startedAt))
  }

  async #run<R>(
    where: string,
    options: { timeoutMs?: number | undefined; signal?: AbortSignal | undefined } | undefined,
    make: (startedAt: number) => Errand<R>,
  ): Promise<R> {
    checkLimits(where, options)
    const errand = make(this.#config.clock.now())
    const target = this.#target
    if (target === undefined) return await this.#courier.carry(errand)
    try {
      return await errand.send(target, errand.timeoutMs)
    } catch (error) {
      return await this.#courier.carry(errand, { pool: target, error })
    }
  }
}

/** What a call that waits would otherwise learn only at the end of its wait. The rest is checked by the node's pool. */
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

/** Checked here, before anything is stopped. */
function checkCloseOptions(options: CloseOptions | undefined): void {
  if (options === undefined) return
  refuseUnknownOptions('close', options, CLOSE_OPTIONS)
  const { timeoutMs, waiters } = options
  if (timeoutMs !== undefined) {
    checkNumber('close', 'timeoutMs', timeoutMs, { min: 0, max: LONGEST })
  }
  if (waiters !== undefined) checkWord('close', 'waiters', waiters, ['reject', 'serve'])
}

function checkWork(where: string, work: unknown): void {
  if (typeof work !== 'function') {
    throw new TypeError(`${where}: work must be a function, got ${describeValue(work)}`)
  }
}

function checkRetry(options: TransactionOptions | undefined): void {
  if (options?.retry === undefined) return
  checkNumber('transaction', 'retry.attempts', options.retry?.attempts, {
    min: 1,
    max: 1_000,
    integer: true,
  })
}
