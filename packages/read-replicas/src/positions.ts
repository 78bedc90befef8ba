import type { ConnectionPool, NodeState, Pool, Topology, TopologySnapshot } from '@poolhouse/core'
import type { Background } from './background.js'
import { History, type Verdict } from './history.js'
import { primaryPoolOf, topologyOf } from './membership.js'
import { NodeSampler } from './node-sampler.js'
import type { Position } from './position.js'
import type { ReplicaNode } from './replica-node.js'
import type { Token } from './session-token.js'

/** What the positions need of the pool they belong to. */
export interface PositionsHost {
  /** The pool that takes writes. */
  readonly primary: Pool
  /** The topology that watches the nodes; undefined where they are watched here. */
  topology(): Topology | undefined
  /** The sampler that watches this pool already, if there is one. */
  samplerOf(pool: Pool): NodeSampler | undefined
}

// Between two looks of one that waits for a replica. A commit is replayed within a millisecond or two on a replica that is well.
const LOOK_AGAIN_MS = 2
const LOOK_SELDOM_MS = 10

// A server in one of these states does not answer, or must not be believed.
const LOST: ReadonlySet<NodeState> = new Set(['unreachable', 'starting', 'fenced', 'foreign'])

/** Where each server's log ends, asked when somebody wants to know: one question at a time for each server, whoever waits. */
export class Positions {
  readonly #host: PositionsHost
  readonly #background: Background
  readonly #history: History
  readonly #own = new Map<Pool, NodeSampler>()
  // Made with the first sampler of our own.
  #unsubscribe: (() => void) | undefined
  // What ends each wait that is under way.
  readonly #waits = new Set<() => void>()

  /** Asks nothing by itself. */
  constructor(host: PositionsHost, background: Background) {
    this.#host = host
    this.#background = background
    this.#history = new History(() => this.#topology)
  }

  /** The sampler of a replica, made if there is none. */
  samplerOf(node: ReplicaNode): NodeSampler {
    node.sampler ??= this.#samplerOf(node.pool)
    return node.sampler
  }

  /** The sampler of the node that takes writes now, or of the one of that name. */
  primarySampler(name?: string): NodeSampler {
    const { primary } = this.#host
    const named = topologyOf(primary)?.current.nodes.find(({ id }) => id === name)?.pool
    return this.#samplerOf(named ?? primaryPoolOf(primary))
  }

  /** Where the log of the node that takes writes ends, asked from now on. Rejects if that cannot be told. */
  async askPrimary(name?: string): Promise<Position> {
    const position = await this.primarySampler(name).poll()
    this.primarySaid(position)
    return position
  }

  /** A primary told its position. */
  primarySaid(position: Position): void {
    if (!position.inRecovery) this.#history.primarySaid(position)
  }

  /** Whether the replica certainly has everything before the token. */
  covers(node: ReplicaNode, token: Token): boolean {
    return this.#history.covers(node.sampler?.position, token, this.#background.now())
  }

  /** What the primary at this position knows of the token. */
  async judge(position: Position, token: Token): Promise<Verdict> {
    const verdict = this.#history.judge(position, token)
    if (verdict !== 'open') return verdict
    const pool = primaryPoolOf(this.#host.primary)
    await this.#history.read(pool, position.timeline, this.#background.now())
    return this.#history.judge(position, token)
  }

  /** Resolves with the first of the nodes that has everything before the token, or with undefined at the deadline. Never rejects. */
  catchUp(
    nodes: readonly ReplicaNode[],
    token: Token,
    deadline: number,
    signal?: AbortSignal,
  ): Promise<ReplicaNode | undefined> {
    return new Promise((resolve) => {
      let over = false
      const finish = (node: ReplicaNode | undefined): void => {
        if (over) return
        over = true
        timer.cancel()
        this.#waits.delete(onAbort)
        signal?.removeEventListener('abort', onAbort)
        resolve(node)
      }
      const onAbort = (): void => finish(undefined)
      const background = this.#background
      const delayMs = Math.max(0, deadline - background.now())
      const timer = background.after(delayMs, () => finish(undefined), { keepAlive: true })
      this.#waits.add(onAbort)
      signal?.addEventListener('abort', onAbort, { once: true })
      for (const node of nodes) this.#watch(node, token, () => over, finish)
      if (signal?.aborted || background.stopped.aborted || nodes.length === 0) finish(undefined)
    })
  }

  get #topology(): Topology | undefined {
    return this.#host.topology() ?? topologyOf(this.#host.primary)
  }

  /** Ends what it began itself, and every wait. */
  stop(): void {
    this.#unsubscribe?.()
    for (const end of this.#waits) end()
    for (const sampler of this.#own.values()) sampler.stop()
  }

  #watch(
    node: ReplicaNode,
    token: Token,
    over: () => boolean,
    found: (node: ReplicaNode) => void,
    pauseMs = LOOK_AGAIN_MS,
  ): void {
    if (over()) return
    this.#background.run(async () => {
      // A standby that does not tell its timeline is believed only while the primary vouches for it.
      const vouched = this.#history.confirmed(this.#background.now())
      const asked = [this.samplerOf(node).poll(), ...(vouched ? [] : [this.askPrimary()])]
      await Promise.allSettled(asked)
      if (over()) return
      if (this.covers(node, token)) {
        found(node)
        return
      }
      const nextMs = Math.min(LOOK_SELDOM_MS, pauseMs * 2)
      this.#background.after(pauseMs, () => this.#watch(node, token, over, found, nextMs))
    })
  }

  #samplerOf(pool: Pool | ConnectionPool): NodeSampler {
    const watched = this.#host.samplerOf(pool) ?? this.#own.get(pool)
    if (watched !== undefined) return watched
    const sampler = new NodeSampler(pool, this.#background, {
      sampled: () => {},
      failed: () => {},
      nextDelayMs: () => Number.POSITIVE_INFINITY,
    })
    this.#own.set(pool, sampler)
    this.#unsubscribe ??= this.#topology?.subscribe((next, previous) =>
      this.#follow(next, previous),
    )
    // Its session tells at once when the server goes.
    sampler.start()
    return sampler
  }

  /** Who waits for the word of a server that is lost, or left, waits in vain. */
  #follow({ nodes }: TopologySnapshot, previous: TopologySnapshot): void {
    for (const { pool, state, reason } of nodes) {
      if (LOST.has(state)) this.#own.get(pool)?.giveUp(`"${pool.name}" is ${state}: ${reason}`)
    }
    for (const { pool } of previous.nodes) {
      if (nodes.some((node) => node.pool === pool)) continue
      this.#own.get(pool)?.stop()
      this.#own.delete(pool)
    }
  }
}
