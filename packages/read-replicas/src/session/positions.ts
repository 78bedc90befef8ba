import type { ConnectionPool, NodeState, Pool, Topology, TopologySnapshot } from '@poolhouse/core'
import type { Background } from '../base/background.js'
import { type Membership, primaryPoolOf, topologyOf } from '../nodes/membership.js'
import type { ReplicaNode } from '../nodes/replica-node.js'
import type { History, Verdict } from '../position/history.js'
import { knowsLsnWait, LsnWait } from '../position/lsn-wait.js'
import { NodeSampler } from '../position/node-sampler.js'
import type { Position } from '../position/position.js'
import type { SessionToken } from '../position/session-token.js'
import { WritePosition } from '../position/write-position.js'
import { CatchUp, type CatchUpHost } from './catch-up.js'

// A server in one of these states does not answer, or must not be believed.
const LOST: ReadonlySet<NodeState> = new Set([
  'unreachable',
  'starting',
  'fenced',
  'foreign',
  'diverged',
])

// For how long the position is asked separately after a server has not answered the question sent
// with a write. It may lack a right, and be granted it later.
const REFUSED_MS = 10_000

// From this many writes under way on, the next ones share one question. Measured with a hundred
// writers on a busy machine: a second answer for each write cost 3 % of the calls, more than the
// saved round trip was worth.
const MOST_ALONE = 2

/**
 * Knows where the log of each server ends, and asks when a session wants to know. Each server is
 * asked one question at a time, for all callers that wait for it.
 */
export class Positions implements CatchUpHost {
  /** Which history the primary writes, and which servers follow it. */
  readonly history: History
  readonly #primary: Pool
  readonly #membership: Membership
  readonly #background: Background
  readonly #catchUp: CatchUp
  readonly #own = new Map<Pool, { readonly sampler: NodeSampler; readonly origin: Pool }>()
  readonly #lsnWaits = new Map<ReplicaNode, LsnWait>()
  #piggybackFrom = Number.NEGATIVE_INFINITY
  #writing = 0
  // Set with the first sampler of our own.
  #unsubscribe: (() => void) | undefined

  /** `primary` takes the writes of the pool. Asks nothing by itself. */
  constructor(primary: Pool, membership: Membership, history: History, background: Background) {
    this.#primary = primary
    this.#membership = membership
    this.#background = background
    this.#catchUp = new CatchUp(this, background)
    this.history = history
  }

  /** The sampler of a replica. Makes one if there is none. */
  samplerOf(node: ReplicaNode): NodeSampler {
    node.sampler ??= this.#samplerOf(node.pool, node.origin)
    return node.sampler
  }

  /** The sampler of the node that takes writes now, or of the one of that name. */
  primarySampler(name?: string): NodeSampler {
    const primary = this.#primary
    const named = topologyOf(primary)?.current.nodes.find(({ id }) => id === name)?.pool
    return this.#samplerOf(named ?? primaryPoolOf(primary))
  }

  /**
   * Asks where the log of the node that takes writes ends. Rejects if that node does not say.
   */
  async askPrimary(name?: string): Promise<Position> {
    const position = await this.primarySampler(name).poll()
    this.primarySaid(position)
    return position
  }

  /**
   * Returns the question for a write's position that is sent together with the write. Undefined if
   * the server has just refused to answer it, or if so many writes are under way that one question
   * for all of them is less work.
   */
  questionForWrite(): WritePosition | undefined {
    const now = this.#background.now()
    if (this.#writing >= MOST_ALONE || now < this.#piggybackFrom) return undefined
    return new WritePosition(now, () => {
      this.#piggybackFrom = this.#background.now() + REFUSED_MS
    })
  }

  /** A write of a session begins. The caller must call the returned function when it is over. */
  writes(): () => void {
    this.#writing++
    return () => {
      this.#writing--
    }
  }

  /** A primary has told its position. */
  primarySaid(position: Position): void {
    if (!position.inRecovery) this.history.primarySaid(position)
  }

  /**
   * The token for the place where a server stood when it was asked. Undefined if its history is not
   * known.
   */
  tokenAt(sampler: NodeSampler, position: Position): SessionToken | undefined {
    return position.inRecovery
      ? this.history.tokenOfFollower(sampler, position)
      : this.history.tokenOf(position)
  }

  /** Whether the replica certainly has everything before the token. */
  covers(node: ReplicaNode, token: SessionToken): boolean {
    if (node.unidentified !== undefined) return false
    return this.history.covers(node.sampler, token, this.#background.now())
  }

  /** What a primary at this position says about the token. May ask it once more. */
  async judge(position: Position, token: SessionToken): Promise<Verdict> {
    const verdict = this.history.judge(position, token)
    // The answer to a question sent with a write does not tell the past of the timeline. A whole
    // sample does, if the role may read it.
    if (verdict !== 'open' || position.past !== undefined) return verdict
    return this.history.judge(await this.askPrimary(), token)
  }

  /**
   * Resolves with the first of the nodes that has replayed up to the token, or with undefined at
   * the deadline. Never rejects.
   */
  catchUp(
    nodes: readonly ReplicaNode[],
    token: SessionToken,
    deadline: number,
    signal?: AbortSignal,
  ): Promise<ReplicaNode | undefined> {
    return this.#catchUp.wait(nodes, token, deadline, signal)
  }

  /** Asks the replica where it is, for the calls that wait for these tokens. Never rejects. */
  async look(node: ReplicaNode, tokens: readonly SessionToken[]): Promise<void> {
    const sampler = this.samplerOf(node)
    // A standby that does not tell its timeline is believed only while the primary vouches for it
    // and once it is known which server it follows.
    const vouched =
      this.history.confirmed(this.#background.now()) &&
      this.history.standingOf(sampler)?.kind !== 'unknown'
    const known = sampler.position?.timeline
    const whole = !vouched || tokens.some(({ timeline }) => timeline !== known)
    await Promise.allSettled([sampler.poll(whole), ...(vouched ? [] : [this.askPrimary()])])
  }

  /**
   * Asks all of the nodes where they are. Resolves when they have answered, or after `limitMs`.
   * Never rejects.
   */
  lookAt(nodes: readonly ReplicaNode[], token: SessionToken, limitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#background.after(limitMs, resolve, { keepAlive: true })
      this.#background.run(async () => {
        await Promise.all(nodes.map((node) => this.look(node, [token])))
        timer.cancel()
        resolve()
      })
      if (this.#background.stopped.aborted) resolve()
    })
  }

  /** Where the replica was when it was last asked. */
  lsnOf(node: ReplicaNode): bigint | undefined {
    return node.sampler?.position?.lsn
  }

  /** Lets the replica's server report that it has reached a position; undefined if it cannot. */
  lsnWaitOf(node: ReplicaNode): LsnWait | undefined {
    const version = this.samplerOf(node).serverVersion
    if (!knowsLsnWait(version)) return undefined
    let wait = this.#lsnWaits.get(node)
    if (wait === undefined) {
      wait = new LsnWait(node.pool, this.#background)
      this.#lsnWaits.set(node, wait)
    }
    return wait.refused ? undefined : wait
  }

  get #topology(): Topology | undefined {
    return this.#membership.topology ?? topologyOf(this.#primary)
  }

  /** Stops its own samplers, and ends every wait. */
  stop(): void {
    this.#unsubscribe?.()
    this.#catchUp.stop()
    for (const wait of this.#lsnWaits.values()) wait.stop()
    for (const { sampler } of this.#own.values()) sampler.stop()
  }

  /** `pool` may be a view of those connections of `origin` that lead to one server. */
  #samplerOf(pool: Pool | ConnectionPool, origin: Pool = pool): NodeSampler {
    const watched = this.#membership.samplerOf(pool) ?? this.#own.get(pool)?.sampler
    if (watched !== undefined) return watched
    const sampler: NodeSampler = new NodeSampler(pool, this.#background, {
      sampled: (facts) => this.history.followerSaid(sampler, facts, this.#background.now()),
      failed: () => {},
      nextDelayMs: () => Number.POSITIVE_INFINITY,
    })
    this.#own.set(pool, { sampler, origin })
    this.#unsubscribe ??= this.#topology?.subscribe((next, previous) =>
      this.#follow(next, previous),
    )
    // An open session reports at once that the server has gone.
    sampler.start()
    return sampler
  }

  /** Ends the waits for servers that the topology has lost or removed: they would not answer. */
  #follow({ nodes }: TopologySnapshot, previous: TopologySnapshot): void {
    for (const [pool, { sampler, origin }] of this.#own) {
      const node = nodes.find((one) => one.pool === origin)
      if (node !== undefined) {
        const { state, reason } = node
        if (LOST.has(state)) sampler.giveUp(`"${origin.name}" is ${state}: ${reason}`)
      } else if (previous.nodes.some((one) => one.pool === origin)) {
        sampler.stop()
        this.history.forget(sampler)
        this.#own.delete(pool)
      }
    }
  }
}
