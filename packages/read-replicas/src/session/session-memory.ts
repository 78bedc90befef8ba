import { lsnText, sameHistory } from '@poolhouse/core/kit'
import type { ReplicaNode } from '../nodes/replica-node.js'
import type { Verdict } from '../position/history.js'
import type { NodeSampler } from '../position/node-sampler.js'
import type { Position } from '../position/position.js'
import { laterToken, type Token } from '../position/session-token.js'
import type { WritePosition } from '../position/write-position.js'
import type { ReadRoute } from '../route/read-route.js'
import type { Positions } from './positions.js'
import { SessionPin } from './session-pin.js'

/** What a session needs of the pool it is a view of. */
export interface SessionHost {
  /** Where the logs end. */
  readonly positions: Positions
  /** Time now. */
  now(): number
  /** A token was not as good as it should be. */
  tokenRefused(reason: 'foreign' | 'beyond-history', message: string): void
  /**
   * What to do about a token that names what a failover has lost; throws if reads must not go on.
   */
  lost(message: string): void
  /**
   * Whether the work settles before the deadline and the signal, if there is one. Passes on its
   * rejection.
   */
  inTime(
    work: Promise<unknown>,
    deadline: number,
    signal: AbortSignal | undefined,
  ): Promise<boolean>
}

/** How long the caller of a write waits for the position of what it committed. */
export interface AskLimits {
  /** Time at which the call must be over; undefined for none. */
  readonly deadline?: number | undefined
  /** The caller's signal. */
  readonly signal?: AbortSignal | undefined
}

/** A server that has shown something whose position is not known yet. */
interface Seen {
  readonly sampler: NodeSampler
  readonly incarnation: number
  /** When it last did. */
  at: number
  /** Leases and calls that may show more at any time. */
  open: number
}

// How long a read waits for a server to say where it stands. One that does not answer by then may
// be gone, and it takes a second and a half to be certain; the present primary shows everything
// anyway.
const ASK_MS = 100
// How long a write that has been acknowledged waits for its position: a distant server may take as
// long for one question.
const PLACE_MS = 500
// For a replica to say where it is. One that takes longer has not caught up.
const ONE_ANSWER_MS = 100

/**
 * What one session has seen, and therefore must see again: the position of its last write exactly,
 * and of its reads as far as they are known. Where a position is not known yet, the session either
 * stays on the server that showed it, or asks.
 */
export class SessionMemory {
  readonly #host: SessionHost
  readonly #waitMs: number
  #firstWaitMs: number
  #floor: Token | undefined
  // The floor came from outside, or is of a history that the cluster may have left, and was not
  // compared with the primary's yet.
  #unproven = false
  // When the floor was found: what a server was asked before says nothing about it.
  #floorAt = Number.NEGATIVE_INFINITY
  // The epoch of the cluster's history in which the floor was found.
  #epoch: number
  // Something was seen that no position is known for: only the primary shows it for certain.
  #strong = false
  // How often that was so: what is asked about one such thing says nothing about the next.
  #marks = 0
  readonly #seen = new Map<NodeSampler, Seen>()
  readonly #pin: SessionPin
  // The questions of the last read that had to ask. What a read that is sent meanwhile shows is no
  // part of it.
  #settling: Promise<void> | undefined

  /** Has seen nothing yet. */
  constructor(host: SessionHost, begin: { waitMs: number; firstWaitMs: number }) {
    this.#host = host
    this.#pin = new SessionPin(host.positions)
    this.#waitMs = begin.waitMs
    this.#firstWaitMs = begin.firstWaitMs
    this.#epoch = host.positions.epoch
  }

  /**
   * A token from outside names what must be seen too; `strong` names what no position is known for.
   */
  see(token: Token | 'strong'): void {
    if (token === 'strong') {
      this.#becomeStrong()
      return
    }
    const floor = this.#floor
    // Which of two clusters it is, or of two histories with one number, only the primary can tell.
    const later = floor?.systemId === token.systemId ? laterToken(floor, token) : undefined
    if (floor !== undefined && later === undefined) this.#becomeStrong()
    if (later === floor && floor !== undefined) return
    this.#setFloor(token)
    this.#unproven = true
  }

  /**
   * What is known of what the session has seen; `strong` if something was seen that has no
   * position.
   */
  get token(): Token | 'strong' | undefined {
    return this.#strong ? 'strong' : this.#floor
  }

  /** Whether reads go to the primary whatever the replicas have. */
  get strong(): boolean {
    return this.#strong
  }

  /**
   * A replica that fits the read and certainly shows all that the session has seen, if one is known
   * now. Asks nobody.
   */
  choose(route: ReadRoute, now: number, tried?: ReadonlySet<ReplicaNode>): ReplicaNode | undefined {
    this.#heed()
    if (this.#strong) return undefined
    const pin = this.#pinned(route, now, tried)
    if (pin !== undefined) return pin
    if (this.#seen.size > 0 && !this.#settleKnown()) return undefined
    const node = route.choose(now, tried, (candidate) => this.#admits(candidate))
    if (node !== undefined) this.#pinTo(node, now, this.#floor)
    return node
  }

  /** A second replica for a read that one has not answered; the session stays where it is. */
  chooseBeside(
    route: ReadRoute,
    now: number,
    tried: ReadonlySet<ReplicaNode>,
  ): ReplicaNode | undefined {
    this.#heed()
    if (this.#strong) return undefined
    // What a replica has shown already binds no other one until its position is known.
    for (const { at } of this.#seen.values()) if (at > Number.NEGATIVE_INFINITY) return undefined
    return route.choose(now, tried, (node) => this.#admits(node))
  }

  /** Whether a replica fits that is known to show everything. Asks nobody and chooses nothing. */
  fits(route: ReadRoute, now: number, tried: ReadonlySet<ReplicaNode>): boolean {
    this.#heed()
    if (this.#strong || this.#seen.size > 0) return false
    return route.fitting(now, tried).some((node) => this.#admits(node))
  }

  /**
   * Like `choose`, after asking whom it takes, and waiting for a replica to catch up. Undefined
   * leaves the primary.
   */
  async find(
    route: ReadRoute,
    tried: ReadonlySet<ReplicaNode>,
    deadline: number,
    signal: AbortSignal | undefined,
  ): Promise<ReplicaNode | undefined> {
    const now = this.#host.now()
    const known = this.choose(route, now, tried)
    if (known !== undefined || this.#strong) return known
    if (this.#seen.size > 0) {
      const settling = this.settle()
      this.#settling = settling
      const until = Math.min(deadline, now + ASK_MS)
      if (!(await this.#host.inTime(settling, until, signal))) return undefined
      if (this.#settling === settling) this.#settling = undefined
      const node = this.choose(route, this.#host.now(), tried)
      if (node !== undefined || this.#strong) return node
    }
    const waitMs = Math.max(this.#waitMs, this.#firstWaitMs)
    this.#firstWaitMs = 0
    return await this.later(route, tried, Math.min(deadline, this.#host.now() + waitMs), signal)
  }

  /**
   * The first replica that fits the read otherwise and has caught up by the deadline with all that
   * had been seen when the read was begun.
   */
  async later(
    route: ReadRoute,
    tried: ReadonlySet<ReplicaNode>,
    deadline: number,
    signal: AbortSignal | undefined,
  ): Promise<ReplicaNode | undefined> {
    if (this.#strong) return undefined
    const settling = this.#settling
    if (settling !== undefined && !(await this.#host.inTime(settling, deadline, signal)))
      return undefined
    const floor = this.#floor
    const now = this.#host.now()
    if (floor === undefined || this.#strong || deadline <= now) return undefined
    const nodes = route.fitting(now, tried)
    if (nodes.length === 0) return undefined
    const node = await this.#host.positions.catchUp(nodes, floor, deadline, signal)
    // It may have been lost in the meantime.
    if (node === undefined || !this.#host.positions.covers(node, floor)) return undefined
    this.#pinTo(node, this.#host.now(), floor)
    return node
  }

  /** Whether a replica that fits has everything by now, or within the time given. */
  async isCaughtUp(route: ReadRoute, waitMs: number): Promise<boolean> {
    if (this.#seen.size > 0) await this.settle()
    if (this.#strong) return false
    if (this.#floor === undefined) return true
    const now = this.#host.now()
    if (this.choose(route, now) !== undefined) return true
    // What is known of them may be as of a second ago.
    await this.#host.positions.lookAt(route.fitting(now), this.#floor, ONE_ANSWER_MS)
    if (this.choose(route, this.#host.now()) !== undefined) return true
    return (await this.later(route, new Set(), now + waitMs, undefined)) !== undefined
  }

  /** A read of one statement was answered by the replica. */
  saw(node: ReplicaNode, at: number): void {
    this.#note(this.#host.positions.samplerOf(node)).at = at
  }

  /**
   * Something is under way on the replica, or on the primary; the function returned must be called
   * when it is over.
   */
  begin(node: ReplicaNode | undefined): () => void {
    const { positions } = this.#host
    const seen = this.#note(
      node === undefined ? positions.primarySampler() : positions.samplerOf(node),
    )
    seen.open++
    let over = false
    return () => {
      if (over) return
      over = true
      seen.open--
      seen.at = Math.max(seen.at, this.#host.now())
    }
  }

  /** The limits of a call that begins now, for what is asked after its work. */
  limitsOf(
    options: { timeoutMs?: number | undefined; signal?: AbortSignal | undefined } = {},
  ): AskLimits {
    const { timeoutMs, signal } = options
    return { deadline: timeoutMs === undefined ? undefined : this.#host.now() + timeoutMs, signal }
  }

  /**
   * Something was committed on the node of this name: resolves when its position is known, or known
   * to be unknowable, or when the caller must have its answer. `position` is what the server has
   * said by itself.
   */
  async wrote(
    node: string | undefined,
    limits: AskLimits = {},
    position?: Position | undefined,
  ): Promise<void> {
    if (position !== undefined) {
      this.#host.positions.primarySaid(position)
      this.#heed()
      // A token that nobody has compared with history yet may take a question to compare.
      if (!this.#unproven) {
        this.#place(position)
        return
      }
    }
    const asking = this.#askPlace(node, position).then(
      () => true,
      () => false,
    )
    const until = Math.min(limits.deadline ?? Number.POSITIVE_INFINITY, this.#host.now() + PLACE_MS)
    const isKnown = (await this.#inTime(asking, until, limits.signal)) && (await asking)
    if (!isKnown) this.#becomeStrong()
  }

  /**
   * What asks for the position of a write in one piece with it; undefined where that is of no use.
   */
  askBehind(): WritePosition | undefined {
    return this.#host.positions.askBehind()
  }

  async #askPlace(node: string | undefined, known: Position | undefined): Promise<void> {
    const position = known ?? (await this.#host.positions.askPrimary(node))
    if (position.inRecovery) throw new Error('the node is no primary any more')
    this.#heed()
    await this.#prove(position)
    this.#place(position)
  }

  #place(position: Position): void {
    this.#raise(this.#host.positions.tokenOf(position))
    this.#forgetBefore(position)
  }

  /**
   * Passes on what work on the primary gave. If nobody knows whether it has committed, only the
   * primary shows for certain.
   */
  async written<R>(work: Promise<R>): Promise<R> {
    const over = this.#host.positions.writes()
    try {
      return await work
    } catch (error) {
      const { executed } = (error ?? {}) as { executed?: unknown }
      if (executed === 'unknown' || executed === 'yes') this.#becomeStrong()
      throw error
    } finally {
      over()
    }
  }

  /**
   * A read of one statement was answered by the node of this name, where reads go when no replica
   * fits.
   */
  sawOn(node: string | undefined, at: number): void {
    // Not whoever was primary when the read was begun: it may have been held until there was
    // another.
    this.#note(this.#host.positions.primarySampler(node)).at = at
  }

  /**
   * A read was answered by the primary. Where the session stands on a token that nobody has proven,
   * or on nothing, this finds its place: throws what is to be done about a token that is lost.
   */
  async sawPrimary(limits: AskLimits): Promise<void> {
    this.#heed()
    if (!this.#strong && !this.#unproven) return
    await this.#inTime(this.#findPlace(), limits.deadline, limits.signal)
  }

  async #findPlace(): Promise<void> {
    const marks = this.#marks
    let position: Position
    try {
      position = await this.#host.positions.askPrimary()
    } catch {
      return
    }
    if (position.inRecovery) return
    this.#heed()
    await this.#prove(position)
    const isAll = this.#marks === marks
    this.#raise(this.#host.positions.tokenOf(position))
    if (isAll) this.#strong = false
  }

  /** Something was seen that has no position. */
  #becomeStrong(): void {
    this.#strong = true
    this.#marks++
  }

  #inTime(
    work: Promise<unknown>,
    deadline = Number.POSITIVE_INFINITY,
    signal?: AbortSignal,
  ): Promise<boolean> {
    return this.#host.inTime(work, deadline, signal)
  }

  /** Finds the positions of everything seen so far. */
  async settle(): Promise<void> {
    const all = [...this.#seen.values()].map((seen) => this.#settleOne(seen))
    await Promise.all(all)
    if (this.#seen.size === 0) this.#pin.clear()
  }

  async #settleOne(seen: Seen): Promise<void> {
    const { sampler, at } = seen
    try {
      if (sampler.incarnation !== seen.incarnation) throw new Error('it may have been restarted')
      const position = this.#isAnswered(seen) ? sampler.position! : await sampler.poll()
      if (sampler.incarnation !== seen.incarnation) throw new Error('it may have been restarted')
      const token = this.#host.positions.tokenAt(sampler, position)
      if (token === undefined) throw new Error('whose history it has is not known')
      this.#raise(token)
    } catch {
      // Whatever it has shown came from the primary.
      try {
        const { positions } = this.#host
        this.#raise(positions.tokenOf(await positions.askPrimary()))
      } catch {
        this.#becomeStrong()
      }
    }
    if (seen.open === 0 && seen.at === at) this.#seen.delete(sampler)
  }

  /** Takes what samples have told meanwhile; whether nothing is left to ask. */
  #settleKnown(): boolean {
    for (const seen of this.#seen.values()) {
      if (!this.#isAnswered(seen)) continue
      const token = this.#host.positions.tokenAt(seen.sampler, seen.sampler.position!)
      if (token === undefined) continue
      this.#raise(token)
      this.#seen.delete(seen.sampler)
    }
    return this.#seen.size === 0
  }

  /**
   * Whatever a server on the primary's timeline had shown before the primary was asked came from
   * it, so its position covers that too and nobody else need be asked. What one on a former
   * timeline has shown may be what a failover has lost.
   */
  #forgetBefore(position: Position): void {
    const { positions } = this.#host
    for (const { sampler, at, open } of this.#seen.values()) {
      const isOver = open === 0 && at < position.sentAt
      if (isOver && positions.isOfOneHistory(sampler, position)) this.#seen.delete(sampler)
    }
  }

  #isAnswered({ sampler, incarnation, at, open }: Seen): boolean {
    const { position } = sampler
    return (
      open === 0 &&
      sampler.incarnation === incarnation &&
      position !== undefined &&
      position.sentAt > at
    )
  }

  /** The replica the session stays on, while it fits and all that was seen besides is settled. */
  #pinned(
    route: ReadRoute,
    now: number,
    tried: ReadonlySet<ReplicaNode> | undefined,
  ): ReplicaNode | undefined {
    const node = this.#pin.at(now)
    if (node === undefined) return undefined
    const sampler = this.#host.positions.samplerOf(node)
    const seen = this.#seen.get(sampler)
    if (seen !== undefined && seen.incarnation !== sampler.incarnation) return undefined
    if (this.#seen.size > (seen === undefined ? 0 : 1)) return undefined
    if (tried?.has(node) === true || !route.admits(node, now)) return undefined
    return this.#pin.shows(this.#floor) ? node : undefined
  }

  /** Stays on a replica that has everything before `floor`. */
  #pinTo(node: ReplicaNode, now: number, floor: Token | undefined): void {
    // What it has is part of history.
    this.#unproven = false
    this.#epoch = this.#host.positions.epoch
    this.#pin.set(node, now, floor)
  }

  #admits(node: ReplicaNode): boolean {
    return this.#floor === undefined || this.#host.positions.covers(node, this.#floor)
  }

  #note(sampler: NodeSampler): Seen {
    let seen = this.#seen.get(sampler)
    if (seen === undefined) {
      seen = { sampler, incarnation: sampler.incarnation, at: Number.NEGATIVE_INFINITY, open: 0 }
      this.#seen.set(sampler, seen)
    }
    return seen
  }

  /**
   * Whether the cluster may have gone on without what the session has seen: then that is to be
   * compared before it is believed.
   */
  #heed(): void {
    const { epoch } = this.#host.positions
    if (epoch === this.#epoch) return
    this.#epoch = epoch
    this.#pin.clear()
    if (this.#floor !== undefined) this.#unproven = true
  }

  #raise(token: Token): void {
    const floor = this.#floor
    // Another history must not take the place of one that it was not compared with.
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

  #setFloor(floor: Token): void {
    this.#floor = floor
    this.#floorAt = this.#host.now()
  }

  /**
   * Compares the floor with history, by the answer of a primary. One that was asked before the
   * floor was found may not have come so far yet, so it is asked again before the floor is called
   * lost. Leaves the floor unproven if there is no answer to that.
   */
  async #prove(asked: Position): Promise<void> {
    const { positions } = this.#host
    let position = asked
    // The floor that was known when the primary was asked.
    let known = asked.sentAt > this.#floorAt ? this.#floor : undefined
    let floor: Token
    let verdict: Verdict
    for (;;) {
      if (!this.#unproven || this.#floor === undefined) return
      floor = this.#floor
      verdict = await positions.judge(position, floor)
      // It may have been raised meanwhile.
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
      this.#host.tokenRefused(
        'foreign',
        `it is of system ${floor.systemId}, and the primary is of system ${position.systemId}`,
      )
    } else if (verdict === 'lost') {
      const message = `it stands at ${placeOf(floor)}, which is no part of the history of the primary at ${placeOf(position)}`
      this.#host.tokenRefused('beyond-history', message)
      this.#host.lost(message)
      // What is lost will never be caught up with. A primary on an older timeline was itself left
      // behind.
      if (position.timeline >= floor.timeline) this.#floor = undefined
    }
    this.#unproven = false
  }
}

function isOfOneHistory(one: Token, other: Token): boolean {
  return (
    one.systemId === other.systemId &&
    one.timeline === other.timeline &&
    sameHistory(one, other) !== 'other'
  )
}

function placeOf({ timeline, lsn }: { timeline: number; lsn: bigint }): string {
  return `${lsnText(lsn)} on timeline ${timeline}`
}
