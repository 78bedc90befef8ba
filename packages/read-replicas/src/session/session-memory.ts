import type { CopyOptions } from '@poolhouse/core'
import { lsnText, sameHistory } from '@poolhouse/core/kit'
import type { Background } from '../base/background.js'
import type { ReplicaNode } from '../nodes/replica-node.js'
import type { Verdict } from '../position/history.js'
import type { Position } from '../position/position.js'
import { laterToken, type SessionToken } from '../position/session-token.js'
import type { WritePosition } from '../position/write-position.js'
import type { ReadRoute } from '../route/read-route.js'
import type { Positions } from './positions.js'
import { SeenServers } from './seen-servers.js'
import { SessionPin } from './session-pin.js'

/** What is done about a token that does not hold what it promises. */
export interface TokenPolicy {
  /** Reports a token of another cluster, or one that is no part of the primary's history. */
  refused(reason: 'foreign' | 'beyond-history', message: string): void
  /** Throws if reads must not go on after a failover has lost what the token names. */
  lost(message: string): void
}

/** How long the caller of a write waits for the position of what it committed. */
export interface AskLimits {
  /** Time at which the call must be over; undefined for none. */
  readonly deadline?: number | undefined
  /** The caller's signal. */
  readonly signal?: AbortSignal | undefined
}

// How long a read waits for a server's position. A server that is silent for longer may be gone,
// and it takes a second and a half to be certain. The primary shows everything meanwhile.
const ASK_MS = 100
// How long an acknowledged write waits for its position. A distant server may need that long for
// one answer.
const PLACE_MS = 500
// How long a replica may take to say where it is. A slower one counts as not caught up.
const ONE_ANSWER_MS = 100

/**
 * Remembers what one session has seen and must see again: the position of its last write exactly,
 * and the positions of its reads as far as they are known. Where a position is not known yet, the
 * session stays on the server that answered, or asks.
 *
 * The floor is the position that a replica must have replayed to. A session is strong when it has
 * seen something that has no known position: then only the primary is certain to show it.
 */
export class SessionMemory {
  readonly #positions: Positions
  readonly #background: Background
  readonly #policy: TokenPolicy
  readonly #waitMs: number
  #firstWaitMs: number
  #floor: SessionToken | undefined
  // Whether the floor has yet to be compared with the primary's history: it came from outside, or
  // belongs to a history that the cluster may have left.
  #unproven = false
  // When the floor was found. What a server was asked before then says nothing about it.
  #floorAt = Number.NEGATIVE_INFINITY
  // The epoch of the cluster's history in which the floor was found.
  #epoch: number
  #strong = false
  // How often the session has become strong. An answer for one such event does not cover the next.
  #marks = 0
  readonly #seen: SeenServers
  readonly #found = (token: SessionToken): void => this.#raise(token)
  readonly #pin: SessionPin
  // The questions of the last read that had to ask. They do not cover what a read sent meanwhile
  // shows.
  #settling: Promise<void> | undefined

  /** Has seen nothing yet. Times are in milliseconds. */
  constructor(
    positions: Positions,
    background: Background,
    policy: TokenPolicy,
    begin: { waitMs: number; firstWaitMs: number },
  ) {
    this.#positions = positions
    this.#background = background
    this.#policy = policy
    this.#seen = new SeenServers(positions)
    this.#pin = new SessionPin(positions)
    this.#waitMs = begin.waitMs
    this.#firstWaitMs = begin.firstWaitMs
    this.#epoch = positions.history.epoch
  }

  /**
   * From now on the session must also see what this token names. `strong` stands for something that
   * has no known position.
   */
  see(token: SessionToken | 'strong'): void {
    if (token === 'strong') {
      this.#becomeStrong()
      return
    }
    const floor = this.#floor
    // Only the primary can tell which of two clusters, or of two histories with one number, counts.
    const later = floor?.systemId === token.systemId ? laterToken(floor, token) : undefined
    if (floor !== undefined && later === undefined) this.#becomeStrong()
    if (later === floor && floor !== undefined) return
    this.#setFloor(token)
    this.#unproven = true
  }

  /**
   * What the session has seen, as far as it is known; `strong` if something has no known position.
   */
  get token(): SessionToken | 'strong' | undefined {
    return this.#strong ? 'strong' : this.#floor
  }

  /**
   * Chooses a replica that fits the read and is known to show everything that the session has seen.
   * Asks no server. Returns undefined if no such replica is known.
   */
  choose(route: ReadRoute, now: number, tried?: ReadonlySet<ReplicaNode>): ReplicaNode | undefined {
    this.#followEpoch()
    if (this.#strong) return undefined
    const pin = this.#pinned(route, now, tried)
    if (pin !== undefined) return pin
    if (!this.#seen.isEmpty) {
      this.#seen.settleKnown(this.#found)
      if (!this.#seen.isEmpty) return undefined
    }
    const node = route.choose(now, tried, (candidate) => this.#admits(candidate))
    if (node !== undefined) this.#pinTo(node, now, this.#floor)
    return node
  }

  /**
   * Chooses a second replica for a read that the first has not answered. Does not move the session.
   */
  chooseBeside(
    route: ReadRoute,
    now: number,
    tried: ReadonlySet<ReplicaNode>,
  ): ReplicaNode | undefined {
    this.#followEpoch()
    if (this.#strong) return undefined
    // No other replica is certain to show what one has shown, until its position is known.
    if (this.#seen.hasShown) return undefined
    return route.choose(now, tried, (node) => this.#admits(node))
  }

  /** Whether `choose` would find a replica for which nothing is left to ask. Chooses none. */
  fits(route: ReadRoute, now: number, tried: ReadonlySet<ReplicaNode>): boolean {
    this.#followEpoch()
    if (this.#strong || !this.#seen.isEmpty) return false
    return route.fitting(now, tried).some((node) => this.#admits(node))
  }

  /**
   * Like `choose`, but may poll servers and wait for a replica to catch up. Resolves with undefined
   * if only the primary will do.
   */
  async find(
    route: ReadRoute,
    tried: ReadonlySet<ReplicaNode>,
    deadline: number,
    signal: AbortSignal | undefined,
  ): Promise<ReplicaNode | undefined> {
    const now = this.#background.now()
    const known = this.choose(route, now, tried)
    if (known !== undefined || this.#strong) return known
    if (!this.#seen.isEmpty) {
      const settling = this.settle()
      this.#settling = settling
      const until = Math.min(deadline, now + ASK_MS)
      if (!(await this.#inTime(settling, until, signal))) return undefined
      if (this.#settling === settling) this.#settling = undefined
      const node = this.choose(route, this.#background.now(), tried)
      if (node !== undefined || this.#strong) return node
    }
    const waitMs = Math.max(this.#waitMs, this.#firstWaitMs)
    this.#firstWaitMs = 0
    return await this.later(
      route,
      tried,
      Math.min(deadline, this.#background.now() + waitMs),
      signal,
    )
  }

  /**
   * Resolves with the first replica that fits the read and has caught up with everything that the
   * session had seen when the read began; with undefined at the deadline.
   */
  async later(
    route: ReadRoute,
    tried: ReadonlySet<ReplicaNode>,
    deadline: number,
    signal: AbortSignal | undefined,
  ): Promise<ReplicaNode | undefined> {
    if (this.#strong) return undefined
    const settling = this.#settling
    if (settling !== undefined && !(await this.#inTime(settling, deadline, signal)))
      return undefined
    const floor = this.#floor
    const now = this.#background.now()
    if (floor === undefined || this.#strong || deadline <= now) return undefined
    const nodes = route.fitting(now, tried)
    if (nodes.length === 0) return undefined
    const node = await this.#positions.catchUp(nodes, floor, deadline, signal)
    // It may have failed in the meantime.
    if (node === undefined || !this.#positions.covers(node, floor)) return undefined
    this.#pinTo(node, this.#background.now(), floor)
    return node
  }

  /** Resolves with whether a replica that fits has caught up by now, or within `waitMs`. */
  async isCaughtUp(route: ReadRoute, waitMs: number): Promise<boolean> {
    if (!this.#seen.isEmpty) await this.settle()
    if (this.#strong) return false
    if (this.#floor === undefined) return true
    const now = this.#background.now()
    if (this.choose(route, now) !== undefined) return true
    // What is known of the replicas may be a second old.
    await this.#positions.lookAt(route.fitting(now), this.#floor, ONE_ANSWER_MS)
    if (this.choose(route, this.#background.now()) !== undefined) return true
    return (await this.later(route, new Set(), now + waitMs, undefined)) !== undefined
  }

  /** The replica has answered a read of one statement. */
  saw(node: ReplicaNode, at: number): void {
    this.#seen.note(this.#positions.samplerOf(node), at)
  }

  /**
   * Work that may show anything begins on the replica; on the primary if `node` is undefined. The
   * caller must call the returned function when the work is over.
   */
  begin(node: ReplicaNode | undefined): () => void {
    const positions = this.#positions
    const sampler = node === undefined ? positions.primarySampler() : positions.samplerOf(node)
    return this.#seen.begin(sampler, () => this.#background.now())
  }

  /** The limits of a call that begins now, for the question that follows its work. */
  limitsOf({ timeoutMs, signal }: CopyOptions = {}): AskLimits {
    return { deadline: timeoutMs && this.#background.now() + timeoutMs, signal }
  }

  /**
   * Something was committed on the node of this name. Resolves when its position is known, or is
   * known not to be available, or when the caller must have its answer. `position` is what came
   * with the answer of the write.
   */
  async wrote(
    node: string | undefined,
    limits: AskLimits = {},
    position?: Position | undefined,
  ): Promise<void> {
    if (position !== undefined) {
      this.#positions.primarySaid(position)
      this.#followEpoch()
      // A token that has not been compared with history may take a question to compare it.
      if (!this.#unproven) {
        this.#place(position)
        return
      }
    }
    const asking = this.#askPlace(node, position).then(
      () => true,
      () => false,
    )
    const until = Math.min(
      limits.deadline ?? Number.POSITIVE_INFINITY,
      this.#background.now() + PLACE_MS,
    )
    const isKnown = (await this.#inTime(asking, until, limits.signal)) && (await asking)
    if (!isKnown) this.#becomeStrong()
  }

  /**
   * Returns the question for a write's position that is sent together with the write; undefined
   * where that is of no use.
   */
  questionForWrite(): WritePosition | undefined {
    return this.#positions.questionForWrite()
  }

  async #askPlace(node: string | undefined, known: Position | undefined): Promise<void> {
    const position = known ?? (await this.#positions.askPrimary(node))
    if (position.inRecovery) throw new Error('the node is no longer the primary')
    this.#followEpoch()
    await this.#prove(position)
    this.#place(position)
  }

  #place(position: Position): void {
    this.#raise(this.#positions.history.tokenOf(position))
    this.#seen.forgetBefore(position)
  }

  /**
   * Passes on the result of work on the primary. If the work failed and may have committed, the
   * session becomes strong.
   */
  async written<R>(work: Promise<R>): Promise<R> {
    const over = this.#positions.writes()
    try {
      return await work
    } catch (error) {
      throw this.failed(error)
    } finally {
      over()
    }
  }

  /** Work on the primary failed. The session becomes strong if the work may have committed. */
  failed(error: unknown): unknown {
    const { executed } = (error ?? {}) as { executed?: unknown }
    if (executed === 'unknown' || executed === 'yes') this.#becomeStrong()
    return error
  }

  /**
   * The node of this name, where reads go when no replica fits, has answered a read of one
   * statement.
   */
  sawOn(node: string | undefined, at: number): void {
    // Not the node that was primary when the read began: the read may have been held until there
    // was another.
    this.#seen.note(this.#positions.primarySampler(node), at)
  }

  /**
   * The primary has answered a read. A session that is strong, or whose floor is unproven, now asks
   * for the primary's position. Throws `TokenBeyondHistoryError` for a lost token if the pool's
   * options say so.
   */
  async sawPrimary(limits: AskLimits): Promise<void> {
    this.#followEpoch()
    if (!this.#strong && !this.#unproven) return
    await this.#inTime(this.#findPlace(), limits.deadline, limits.signal)
  }

  async #findPlace(): Promise<void> {
    const marks = this.#marks
    let position: Position
    try {
      position = await this.#positions.askPrimary()
    } catch {
      return
    }
    if (position.inRecovery) return
    this.#followEpoch()
    await this.#prove(position)
    // What has been shown may have no place that compares with an unproven floor.
    this.#raise(this.#positions.history.tokenOf(position))
    if (this.#marks === marks) this.#strong = false
  }

  /** Something was seen that has no known position. */
  #becomeStrong(): void {
    this.#strong = true
    this.#marks++
  }

  #inTime(
    work: Promise<unknown>,
    deadline = Number.POSITIVE_INFINITY,
    signal?: AbortSignal,
  ): Promise<boolean> {
    return this.#background.inTime(work, deadline, signal)
  }

  /** Asks for the positions of everything that the session has seen so far. */
  async settle(): Promise<void> {
    await this.#seen.settle(this.#found, () => this.#becomeStrong())
    if (this.#seen.isEmpty) this.#pin.clear()
  }

  /** The replica that the session stays on, while it fits and shows everything. */
  #pinned(
    route: ReadRoute,
    now: number,
    tried: ReadonlySet<ReplicaNode> | undefined,
  ): ReplicaNode | undefined {
    const node = this.#pin.at(now)
    if (node === undefined) return undefined
    if (!this.#seen.isOnly(this.#positions.samplerOf(node))) return undefined
    if (tried?.has(node) === true || !route.admits(node, now)) return undefined
    return this.#pin.shows(this.#floor) ? node : undefined
  }

  /** Stays on a replica that has replayed up to `floor`. */
  #pinTo(node: ReplicaNode, now: number, floor: SessionToken | undefined): void {
    // What a replica has replayed is part of history.
    this.#unproven = false
    this.#epoch = this.#positions.history.epoch
    this.#pin.set(node, now, floor)
  }

  #admits(node: ReplicaNode): boolean {
    return this.#floor === undefined || this.#positions.covers(node, this.#floor)
  }

  /**
   * Takes notice of a new epoch: the cluster may have gone on without what the session has seen, so
   * the floor must be compared with history again.
   */
  #followEpoch(): void {
    const { epoch } = this.#positions.history
    if (epoch === this.#epoch) return
    this.#epoch = epoch
    this.#pin.clear()
    if (this.#floor !== undefined) this.#unproven = true
  }

  #raise(token: SessionToken): void {
    const floor = this.#floor
    // A token of another history must not replace a floor that it was not compared with.
    if (this.#unproven && floor !== undefined && !isOfOneHistory(floor, token)) {
      this.#becomeStrong()
      return
    }
    if (floor === undefined || floor.systemId !== token.systemId) {
      this.#setFloor(token)
      return
    }
    const later = laterToken(floor, token)
    if (later === undefined) this.#becomeStrong()
    else if (later !== floor) this.#setFloor(later)
  }

  #setFloor(floor: SessionToken): void {
    this.#floor = floor
    this.#floorAt = this.#background.now()
  }

  /**
   * Compares the floor with history, by the position of a primary. A primary that was asked before
   * the floor was found may not have got that far, so it is asked again before the floor counts as
   * lost. Leaves the floor unproven if a question gets no answer.
   */
  async #prove(asked: Position): Promise<void> {
    const positions = this.#positions
    let position = asked
    // The floor that was known when the primary was asked.
    let known = asked.sentAt > this.#floorAt ? this.#floor : undefined
    let floor: SessionToken
    let verdict: Verdict
    for (;;) {
      if (!this.#unproven || this.#floor === undefined) return
      floor = this.#floor
      try {
        verdict = await positions.judge(position, floor)
      } catch {
        return
      }
      // The floor may have been raised meanwhile.
      if (floor === this.#floor && (verdict !== 'lost' || floor === known)) break
      known = this.#floor
      try {
        position = await positions.askPrimary()
      } catch {
        return
      }
      if (position.inRecovery) return
    }
    if (verdict === 'foreign') {
      this.#policy.refused(
        'foreign',
        `it is of system ${floor.systemId}, and the primary is of system ${position.systemId}`,
      )
    } else if (verdict === 'lost') {
      const message = `it stands at ${placeOf(floor)}, which is no part of the history of the primary at ${placeOf(position)}`
      this.#policy.refused('beyond-history', message)
      this.#policy.lost(message)
      // No replica will ever have what was lost. If the primary is on an older timeline, it is the
      // primary that was left behind.
      if (position.timeline >= floor.timeline) this.#floor = undefined
    }
    this.#unproven = false
  }
}

function isOfOneHistory(one: SessionToken, other: SessionToken): boolean {
  return (
    one.systemId === other.systemId &&
    one.timeline === other.timeline &&
    sameHistory(one, other) !== 'other'
  )
}

function placeOf({ timeline, lsn }: { timeline: number; lsn: bigint }): string {
  return `${lsnText(lsn)} on timeline ${timeline}`
}
