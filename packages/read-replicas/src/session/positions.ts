import type { ConnectionPool, NodeState, Pool, Topology, TopologySnapshot } from '@poolhouse/core'
import type { Background } from '../base/background.js'
import { primaryPoolOf, topologyOf } from '../nodes/membership.js'
import type { ReplicaNode } from '../nodes/replica-node.js'
import { History, type Verdict } from '../position/history.js'
import { knowsLsnWait, LsnWait } from '../position/lsn-wait.js'
import { NodeSampler } from '../position/node-sampler.js'
import type { Position } from '../position/position.js'
import type { Token } from '../position/session-token.js'
import { WritePosition } from '../position/write-position.js'
import { CatchUp, type CatchUpHost } from './catch-up.js'

/** What the positions need of the pool they belong to. */
export interface PositionsHost {
  /** The pool that takes writes. */
  readonly primary: Pool
  /** The topology that watches the nodes; undefined where they are watched here. */
  topology(): Topology | undefined
  /** The sampler that watches this pool already, if there is one. */
  samplerOf(pool: Pool): NodeSampler | undefined
}

// A server in one of these states does not answer, or must not be believed.
const LOST: ReadonlySet<NodeState> = new Set([
  'unreachable',
  'starting',
  'fenced',
  'foreign',
  'diverged',
])

// A server that does not answer a question sent with a write is asked by itself for so long: it may
// lack a right, and be given it.
const REFUSED_MS = 10_000

// Writes of sessions under way from which on the next ones share a question: a second answer for
// each of a hundred writers took three in a hundred of a busy machine's calls, measured against the
// round trip that it saves.
const MOST_ALONE = 2

/**
 * Where each server's log ends, asked when somebody wants to know: one question at a time for each
 * server, whoever waits.
 */
export class Positions implements CatchUpHost {
  readonly #host: PositionsHost
  readonly #background: Background
  /** Which history the primary writes, and which servers follow it. */
  readonly history: History
  readonly #catchUp: CatchUp
  readonly #own = new Map<Pool, { readonly sampler: NodeSampler; readonly origin: Pool }>()
  readonly #lsnWaits = new Map<ReplicaNode, LsnWait>()
  #askBehindFrom = Number.NEGATIVE_INFINITY
  #writing = 0
  // Made with the first sampler of our own.
  #unsubscribe: (() => void) | undefined

  /** Asks nothing by itself. */
  constructor(host: PositionsHost, background: Background) {
    this.#host = host
    this.#background = background
    this.#catchUp = new CatchUp(this, background)
    this.history = new History(() => this.#topology)
  }

  /** The sampler of a replica, made if there is none. */
  samplerOf(node: ReplicaNode): NodeSampler {
    node.sampler ??= this.#samplerOf(node.pool, node.origin)
    return node.sampler
  }

  /** The sampler of the node that takes writes now, or of the one of that name. */
  primarySampler(name?: string): NodeSampler {
    const { primary } = this.#host
    const named = topologyOf(primary)?.current.nodes.find(({ id }) => id === name)?.pool
    return this.#samplerOf(named ?? primaryPoolOf(primary))
  }

  /**
   * Where the log of the node that takes writes ends, asked from now on. Rejects if that cannot be
   * told.
   */
  async askPrimary(name?: string): Promise<Position> {
    const position = await this.primarySampler(name).poll()
    this.primarySaid(position)
    return position
  }

  /**
   * What asks for the position of a write in one piece with it; undefined where the server has just
   * refused to say, or where so many write at once that one question for all of them is less work.
   */
  askBehind(): WritePosition | undefined {
    const now = this.#background.now()
    if (this.#writing >= MOST_ALONE || now < this.#askBehindFrom) return undefined
    return new WritePosition(now, () => {
      this.#askBehindFrom = this.#background.now() + REFUSED_MS
    })
  }

  /** A session writes; the function returned must be called when that is over. */
  writes(): () => void {
    this.#writing++
    return () => {
      this.#writing--
    }
  }

  /** A primary told its position. */
  primarySaid(position: Position): void {
    if (!position.inRecovery) this.history.primarySaid(position)
  }

  /** Changes whenever the cluster may have gone on with another history than before. */
  get epoch(): number {
    return this.history.epoch
  }

  /** The token for where the log of a primary ended. */
  tokenOf(position: Position): Token {
    return this.history.tokenOf(position)
  }

  /**
   * The token for where a server stood when it was asked; undefined if it is not known whose
   * history that was.
   */
  tokenAt(sampler: NodeSampler, position: Position): Token | undefined {
    return position.inRecovery
      ? this.history.tokenOfFollower(sampler, position)
      : this.history.tokenOf(position)
  }

  /**
   * Whether what the server has shown is of the history in which a primary stood at this position.
   */
  isOfOneHistory(sampler: NodeSampler, position: Position): boolean {
    return this.history.isOfOneHistory(sampler, position)
  }

  /** Whether the replica certainly has everything before the token. */
  covers(node: ReplicaNode, token: Token): boolean {
    if (node.unidentified !== undefined) return false
    return this.history.covers(node.sampler, token, this.#background.now())
  }

  /** What the primary at this position knows of the token. */
  async judge(position: Position, token: Token): Promise<Verdict> {
    const verdict = this.history.judge(position, token)
    // What is asked with a write does not tell the past; the monitor of the primary does, where the
    // role may read it.
    if (verdict !== 'open' || position.past !== undefined) return verdict
    return this.history.judge(await this.askPrimary(), token)
  }

  /**
   * Resolves with the first of the nodes that has everything before the token, or with undefined at
   * the deadline. Never rejects.
   */
  catchUp(
    nodes: readonly ReplicaNode[],
    token: Token,
    deadline: number,
    signal?: AbortSignal,
  ): Promise<ReplicaNode | undefined> {
    return this.#catchUp.wait(nodes, token, deadline, signal)
  }

  /** Asks the replica where it is, for all who wait for these tokens. Never rejects. */
  async look(node: ReplicaNode, tokens: readonly Token[]): Promise<void> {
    const sampler = this.samplerOf(node)
    // A standby that does not tell its timeline is believed only while the primary vouches for it,
    // and once it is known whom it follows.
    const vouched =
      this.history.confirmed(this.#background.now()) &&
      this.history.standingOf(sampler)?.kind !== 'unknown'
    const known = sampler.position?.timeline
    const whole = !vouched || tokens.some(({ timeline }) => timeline !== known)
    await Promise.allSettled([sampler.poll(whole), ...(vouched ? [] : [this.askPrimary()])])
  }

  /**
   * Asks all of them where they are; resolves when they have answered, or when the time is over.
   * Never rejects.
   */
  lookAt(nodes: readonly ReplicaNode[], token: Token, limitMs: number): Promise<void> {
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

  /** Where the replica was when it was asked last. */
  lsnOf(node: ReplicaNode): bigint | undefined {
    return node.sampler?.position?.lsn
  }

  /** How to have the replica's server tell when it is somewhere; undefined if it cannot. */
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
    return this.#host.topology() ?? topologyOf(this.#host.primary)
  }

  /** Ends what it began itself, and every wait. */
  stop(): void {
    this.#unsubscribe?.()
    this.#catchUp.stop()
    for (const wait of this.#lsnWaits.values()) wait.stop()
    for (const { sampler } of this.#own.values()) sampler.stop()
  }

  /** `pool` may be a view of the connections of `origin` that lead to one server. */
  #samplerOf(pool: Pool | ConnectionPool, origin: Pool = pool): NodeSampler {
    const watched = this.#host.samplerOf(pool) ?? this.#own.get(pool)?.sampler
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
    // Its session tells at once when the server goes.
    sampler.start()
    return sampler
  }

  /** Who waits for the word of a server that is lost, or left, waits in vain. */
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
