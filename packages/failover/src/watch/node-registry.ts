import {
  type CloseOptions,
  type ConnectionPool,
  type PoolEventName,
  PoolhouseError,
  type PoolStats,
} from '@poolhouse/core'
import { awaitIdle, describeName, type EventHub, EventRelay, sumStats } from '@poolhouse/core/kit'
import { underWay } from '../base/under-way.js'
import type { DiscoveredNode, DiscoveredNodes } from '../discover/discovery.js'
import { DiscoveryLoop } from '../discover/discovery-loop.js'
import type { HeldCalls } from '../judge/describe-change.js'
import { ListedNodes } from '../nodes/listed-nodes.js'
import { NodeSet } from '../nodes/node-set.js'
import { PoolSigns } from '../nodes/pool-hints.js'
import { SilenceWatch } from '../nodes/silence-watch.js'
import type { FailoverConfig } from '../options/failover-options.js'
import type { NodeSource } from '../options/node-source.js'
import { TopologyWatch } from './topology-watch.js'

/** Limits of `drain`. */
export interface DrainOptions {
  /** Longest time to wait for what is under way on the node, in milliseconds. Default: no limit. */
  timeoutMs?: number | undefined
  /** Ends the wait. The node stays drained. */
  signal?: AbortSignal | undefined
}

/** What a cluster needs of its pool. */
export interface ClusterOptions {
  readonly config: FailoverConfig
  readonly hub: EventHub
  /** Events of the nodes that are told on. */
  readonly relayed: ReadonlySet<PoolEventName>
  readonly held: () => HeldCalls | undefined
  /** Called after every change of the topology. */
  readonly changed: () => void
}

/** The nodes that come and go, and everything that listens to one of them. */
export class Cluster {
  readonly watch: TopologyWatch
  readonly #config: FailoverConfig
  readonly #hub: EventHub
  readonly #nodes = new NodeSet()
  readonly #relay: EventRelay
  readonly #signs: PoolSigns
  readonly #silence: SilenceWatch | undefined
  readonly #closing = new Set<Promise<void>>()
  #loop: DiscoveryLoop | undefined
  #listed: ListedNodes | undefined

  /** Knows no node before `start`. */
  constructor({ config, hub, relayed, held, changed }: ClusterOptions) {
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
    this.#relay = new EventRelay(hub, [], relayed)
    this.#signs = new PoolSigns(clock, hint)
    this.#silence = watchdog && new SilenceWatch(this.#nodes, clock, watchdog, hint)
  }

  /** Begins to watch the nodes that are given, or to discover them. */
  start(source: NodeSource): void {
    if ('discover' in source) {
      this.#discover(source)
      return
    }
    for (const pool of source) this.#nodes.put(pool)
    this.#join(source)
  }

  /** The events of the nodes and of the pool itself. */
  get events(): Pick<EventRelay, 'on' | 'off'> {
    return this.#relay
  }

  /** Connections that are lent and callers that wait for one, on all nodes. */
  get underWay(): number {
    let sum = 0
    for (const pool of this.#nodes.pools) sum += underWay(pool)
    return sum
  }

  /** The sums of the statistics of the nodes, and each of them. */
  stats(): PoolStats {
    return sumStats(
      Object.fromEntries(this.#nodes.pools.map((pool) => [pool.name, pool.stats()] as const)),
    )
  }

  /** Gives a replica no new work and waits until it has none. */
  async drain(id: string, options: DrainOptions): Promise<void> {
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
    const { timeoutMs = Number.POSITIVE_INFINITY, signal } = options
    const goOn = (): boolean => this.#nodes.isDrained(id) && this.#nodes.get(id)?.pool === pool
    const end = await awaitIdle(clock, () => underWay(pool), clock.now() + timeoutMs, signal, goOn)
    if (end === 'idle' || (end === 'ended' && this.#nodes.get(id)?.pool !== pool)) return
    const why = end === 'late' ? `after ${timeoutMs} ms` : 'when the wait was ended'
    throw new PoolhouseError(
      `${underWay(pool)} calls are still under way on "${id}" ${why}; it gets no new ones while it is drained`,
      { code: 'POOLHOUSE_DRAIN', retryable: true, cause: signal?.reason },
    )
  }

  /** Ends a drain. */
  undrain(id: string): void {
    if (!this.#nodes.isDrained(id)) this.#poolOf('undrain', id)
    this.#nodes.setDrained(id, false)
    this.watch.traitsChanged()
  }

  /** Takes another system for ours. */
  acceptSystem(systemId: string): void {
    const { systems } = this.watch
    if (!systems.has(systemId)) {
      throw new RangeError(
        `acceptSystem: no node of "${this.#config.name}" belongs to system ${describeName(systemId)}; seen: ${[...systems].join(', ') || 'none yet'}`,
      )
    }
    this.watch.acceptSystem(systemId)
  }

  /** Stops watching and discovering. */
  stop(): void {
    this.#loop?.stop()
    this.#listed?.stop()
    this.#silence?.stop()
    this.#signs.stop()
    this.watch.stop()
  }

  /** Closes the pools. Rejects with the first failure, after all have been tried. */
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

  #join(pools: readonly ConnectionPool[]): void {
    const { watchdog, probeTimeoutMs: timeoutMs } = this.#config
    for (const pool of pools) {
      this.#relay.add(pool)
      this.#signs.add(pool)
      // One rule for the node and for its connections. A pool that was made elsewhere may have
      // none.
      pool.reconfigure?.({
        watchdog: watchdog ? { silenceMs: watchdog.silenceMs, timeoutMs } : false,
      })
    }
    this.watch.join(pools)
  }

  #part(pool: ConnectionPool): void {
    this.watch.part(pool.name)
    this.#signs.remove(pool)
    const closing = pool
      .close({ timeoutMs: 0 })
      .catch((error: unknown) => this.#tell(error))
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
      joined: (pools) => this.#join(pools),
      parted: (parted) => this.#part(parted),
      traitsChanged: () => watch.traitsChanged(),
      failed: (error) => this.#tell(error),
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
        watch.trouble = error?.message
        if (error !== undefined) this.#tell(error)
      },
    })
    this.#loop.start()
  }

  /**
   * Where the list contradicts what the servers say, they are asked again at once. They have the
   * last word.
   */
  #compare(id: string | undefined, { role }: DiscoveredNode): void {
    if (id === undefined || role === undefined) return
    const isPrimary = this.watch.primary?.name === id
    if (isPrimary !== (role === 'primary')) this.watch.hint(id)
  }

  #tell(error: unknown): void {
    this.#hub.emit('error', { pool: this.#config.name, error })
  }
}
