import {
  type CloseOptions,
  type ConnectionPool,
  PoolhouseError,
  type PoolStats,
} from '@poolhouse/core'
import {
  awaitIdle,
  CONNECTION_EVENTS,
  checkSignal,
  checkTimeout,
  describeName,
  type EventHub,
  EventRelay,
  messageOf,
  sumStats,
} from '@poolhouse/core/kit'
import { underWay } from '../base/under-way.js'
import type { DiscoveredNode, DiscoveredNodes } from '../discover/discovery.js'
import { DiscoveryLoop } from '../discover/discovery-loop.js'
import type { HeldCalls } from '../judge/describe-change.js'
import { ListedNodes } from '../nodes/listed-nodes.js'
import { NodeSet } from '../nodes/node-set.js'
import { PoolHints } from '../nodes/pool-hints.js'
import { SilenceWatch } from '../nodes/silence-watch.js'
import type { FailoverConfig } from '../options/failover-options.js'
import type { NodeSource } from '../options/node-source.js'
import { TopologyWatch } from './topology-watch.js'

/**
 * Options of `drain`.
 *
 * @example
 * await primary.drain('replica-b', { timeoutMs: 30_000, signal: AbortSignal.timeout(20_000) })
 */
export interface DrainOptions {
  /**
   * Longest time to wait for the work under way on the node, in milliseconds. Default: no limit.
   */
  timeoutMs?: number | undefined
  /** Ends the wait; the node stays drained. Default: none. */
  signal?: AbortSignal | undefined
}

/** Owns the nodes that come and go, and everything that watches or listens to one of them. */
export class NodeRegistry {
  /** Watches the nodes; the topology of the pool. */
  readonly watch: TopologyWatch
  readonly #config: FailoverConfig
  readonly #hub: EventHub
  readonly #nodes = new NodeSet()
  readonly #relay: EventRelay
  readonly #hints: PoolHints
  readonly #silence: SilenceWatch | undefined
  readonly #closing = new Set<Promise<void>>()
  #loop: DiscoveryLoop | undefined
  #listed: ListedNodes | undefined

  /**
   * Has no nodes before `start`. `held` returns the calls that wait for a primary, and `changed` is
   * called after every change of the topology.
   */
  constructor(
    config: FailoverConfig,
    hub: EventHub,
    held: () => HeldCalls | undefined,
    changed: () => void,
  ) {
    this.#config = config
    this.#hub = hub
    const { clock, watchdog } = config
    this.watch = new TopologyWatch({
      config,
      hub,
      nodes: this.#nodes,
      held,
      changed: () => {
        if (this.watch.primary === undefined) this.#loop?.hasten()
        changed()
      },
    })
    const hint = (node: string): void => this.watch.hint(node)
    this.#relay = new EventRelay(hub, [], CONNECTION_EVENTS)
    this.#hints = new PoolHints(clock, hint)
    this.#silence = watchdog && new SilenceWatch(this.#nodes, clock, watchdog, hint)
  }

  /** Begins to watch the given nodes, or to discover them. */
  start(source: NodeSource): void {
    if ('discover' in source) {
      this.#discover(source)
      return
    }
    for (const pool of source) this.#nodes.put(pool)
    this.#add(source)
  }

  /** Listens to the events of the nodes and of the failover pool. */
  get events(): Pick<EventRelay, 'on' | 'off'> {
    return this.#relay
  }

  /** How many connections are leased plus how many callers wait for one, on all nodes. */
  get underWay(): number {
    let sum = 0
    for (const pool of this.#nodes.pools) sum += underWay(pool)
    return sum
  }

  /** The statistics of the nodes: their sums, and those of each. */
  stats(): PoolStats {
    return sumStats(
      Object.fromEntries(this.#nodes.pools.map((pool) => [pool.name, pool.stats()] as const)),
    )
  }

  /** See `FailoverPool.drain`. */
  async drain(id: string, { timeoutMs, signal }: DrainOptions): Promise<void> {
    if (timeoutMs !== undefined) checkTimeout('drain', timeoutMs)
    checkSignal('drain', signal)
    const { clock, name } = this.#config
    const pool = this.#poolOf('drain', id)
    if (this.watch.primary === pool) {
      throw new PoolhouseError(
        `"${id}" is the primary of "${name}", which cannot be drained; move the primary with switchover(fn) first`,
        { code: 'POOLHOUSE_DRAIN' },
      )
    }
    this.#nodes.setDrained(id, true)
    this.watch.traitsChanged()
    const deadline = clock.now() + (timeoutMs ?? Number.POSITIVE_INFINITY)
    const goOn = (): boolean => this.#nodes.isDrained(id) && this.#nodes.get(id)?.pool === pool
    const end = await awaitIdle(clock, () => underWay(pool), deadline, signal, goOn)
    if (end === 'idle' || (end === 'ended' && this.#nodes.get(id)?.pool !== pool)) return
    const why = end === 'late' ? `after ${timeoutMs} ms` : 'when the wait was ended'
    throw new PoolhouseError(
      `${underWay(pool)} calls are still under way on "${id}" ${why}; it gets no new ones while it is drained`,
      { code: 'POOLHOUSE_DRAIN', retryable: true, cause: signal?.reason },
    )
  }

  /** See `FailoverPool.undrain`. */
  undrain(id: string): void {
    if (!this.#nodes.isDrained(id)) this.#poolOf('undrain', id)
    this.#nodes.setDrained(id, false)
    this.watch.traitsChanged()
  }

  /** See `FailoverPool.acceptSystem`. */
  acceptSystem(systemId: string): void {
    const { systems } = this.watch
    if (!systems.has(systemId)) {
      throw new RangeError(
        `acceptSystem: no node of "${this.#config.name}" belongs to system ${describeName(systemId)}; seen: ${[...systems].join(', ') || 'none yet'}`,
      )
    }
    this.watch.acceptSystem(systemId)
  }

  /** Stops discovery and all watching. The pools stay open. */
  stop(): void {
    this.#loop?.stop()
    this.#listed?.stop()
    this.#silence?.stop()
    this.#hints.stop()
    this.watch.stop()
  }

  /** Closes all pools. Rejects with the first failure, after every pool has been closed. */
  async close(options: CloseOptions | undefined): Promise<void> {
    try {
      const ends = await Promise.allSettled([
        ...this.#nodes.pools.map((pool) => pool.close(options)),
        ...this.#closing,
      ])
      for (const end of ends) if (end.status === 'rejected') throw end.reason
    } finally {
      this.#relay.stop()
    }
  }

  #poolOf(where: string, id: string): ConnectionPool {
    const pool = this.#nodes.get(id)?.pool
    if (pool !== undefined) return pool
    const known = this.#nodes.pools.map(({ name }) => `"${name}"`).join(', ')
    throw new RangeError(
      `${where}: "${this.#config.name}" has no node ${describeName(id)}; its nodes: ${known || 'none yet'}`,
    )
  }

  #add(pools: readonly ConnectionPool[]): void {
    const { watchdog, probeTimeoutMs: timeoutMs } = this.#config
    for (const pool of pools) {
      this.#relay.add(pool)
      this.#hints.add(pool)
      // The same rule for the node and for its connections. Not every kind of pool has this method.
      pool.reconfigure?.({
        watchdog: watchdog ? { silenceMs: watchdog.silenceMs, timeoutMs } : false,
      })
    }
    this.watch.add(pools)
  }

  #remove(pool: ConnectionPool): void {
    this.watch.remove(pool.name)
    this.#hints.remove(pool)
    const closing = pool
      .close({ timeoutMs: 0 })
      .catch((error: unknown) => this.#report(error))
      .finally(() => {
        this.#relay.remove(pool)
        this.#closing.delete(closing)
      })
    this.#closing.add(closing)
  }

  #discover({ discover, pool, intervalMs = 5_000, removeAfterMs = 60_000 }: DiscoveredNodes): void {
    const { clock, random } = this.#config
    const { watch } = this
    const listed = new ListedNodes({
      source: discover.name,
      nodes: this.#nodes,
      clock,
      removeAfterMs,
      makePool: pool,
      isPrimary: (id) => watch.primary?.name === id,
      added: (pools) => this.#add(pools),
      removed: (former) => this.#remove(former),
      traitsChanged: () => watch.traitsChanged(),
      failed: (error) => this.#report(error),
    })
    this.#listed = listed
    this.#loop = new DiscoveryLoop({
      discover,
      intervalMs,
      clock,
      random,
      urgent: () => watch.primary === undefined,
      found: (nodes) => {
        listed.follow(nodes)
        for (const node of nodes) this.#compare(listed.idOf(node), node)
      },
      failed: (error) => {
        watch.discoveryFailure = error && messageOf(error)
        if (error !== undefined) this.#report(error)
      },
    })
    this.#loop.start()
  }

  /** Probes a node at once if the list contradicts its role. The server's answer counts. */
  #compare(id: string | undefined, { role }: DiscoveredNode): void {
    if (id === undefined || role === undefined) return
    const isPrimary = this.watch.primary?.name === id
    if (isPrimary !== (role === 'primary')) this.watch.hint(id)
  }

  #report(error: unknown): void {
    this.#hub.emit('error', { pool: this.#config.name, error })
  }
}
