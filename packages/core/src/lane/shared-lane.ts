import type { BudgetSeat } from '../api/connection-budget.js'
import type { Statement } from '../api/statement.js'
import { MAX_MS } from '../base/clock.js'
import { ownError } from '../base/own-error.js'
import { realTimers } from '../base/real-timers.js'
import type { EngineLane } from '../engine/engine-view.js'
import type { PoolEngine } from '../engine/pool-engine.js'
import type { Waiter } from '../engine/wait-queue.js'
import type { MultiplexLimits } from '../options/multiplex-options.js'
import { PoolClosedError } from '../outcome/errors.js'
import type { AcceptsServer } from '../server/server-identity.js'
import type { Slot } from '../slot/slot.js'
import type { StatementRun } from '../statement/statement-run.js'
import { FREE_MS, LaneMember, type MemberLane } from './lane-member.js'
import { LanePace } from './lane-pace.js'
import { LaneQueue } from './lane-queue.js'
import { LaneTexts } from './lane-texts.js'
import { BEHIND, IN_FRONT, LaneWaiter } from './lane-waiter.js'
import { type RunLane, SharedRun } from './shared-run.js'
import type { TextCost } from './text-cost.js'

// A connection whose server has less to do than that takes one more; beyond it the next one has its
// share. Of tiny statements, the system calls of another connection cost more than the wait.
const PACK_MS = 0.3
const TINY_MS = 0.1
const PACK_TINY_MS = 1
// No connection is given more than that to do: what waits here can still be sent on the next one,
// and a connection that is wanted elsewhere is soon free. Longer statements follow one another only
// as far as that fills the time on the way.
const MOST_BACKLOG_MS = 5
const SHORT_MS = 1.5
// So many follow one another before the time between their answers has told what they take.
const MOST_UNSURE = 4
// With so many connections one process cannot keep their servers busy with tiny statements.
const MOST_FOR_TINY = 4
// How long a caller that wants a connection of its own waits for the last one of the lane.
const YIELD_MS = 10

/**
 * The shared lane of one pool: calls whose texts leave their session as it is ride together on few
 * connections, each of which has many of them in flight. A connection is lent to the lane like to
 * any caller, and goes back when nothing is in flight on it; while other callers wait, it is given
 * no more. Owns the calls that wait for a place, and what was learned about texts.
 */
export class SharedLane implements EngineLane, MemberLane, RunLane {
  readonly #engine: PoolEngine
  readonly #texts = new LaneTexts()
  readonly #members: LaneMember[] = []
  readonly #queue: LaneQueue
  readonly #flushing: LaneMember[] = []
  #asked: LaneWaiter | undefined
  /** The time that passes between the servers and this process. */
  readonly pace: LanePace = new LanePace()
  #looking = false
  // The sessions of the driver cannot be shared.
  #isUnsupported = false
  readonly #flush = (): void => this.#flushAll()

  /** Has the connections of this engine. */
  constructor(engine: PoolEngine) {
    this.#engine = engine
    this.#queue = new LaneQueue(engine)
  }

  // ── for the pool ──

  /**
   * What is known of the text of a statement that may share a connection, as far as is known;
   * undefined for one that may not.
   */
  costOf(statement: Statement): TextCost | undefined {
    return this.#limits === undefined ? undefined : this.#texts.costOf(statement)
  }

  /**
   * Runs a call on a shared connection, if its text is known to be quick; else on one of its own.
   */
  run(run: SharedRun, now: number): void {
    this.pace.worked(now)
    const engine = this.#engine
    // Where there is one connection, calls are sent in the order in which they are made.
    const isInTurn = engine.config.max === 1 && engine.handoff.othersWaitSince !== undefined
    if (!run.cost.isQuick || isInTurn) {
      this.#runAlone(run, now)
      return
    }
    engine.noticeFreeze(now)
    const { accepts } = run
    const mayOvertake = this.#queue.size === 0 || accepts !== undefined
    const member =
      mayOvertake && engine.phase === 'open' ? this.#choose(run.cost, now, accepts) : undefined
    // Those that want a certain server wait for it like any other caller.
    if (member === 'alone' || (member === undefined && accepts !== undefined)) {
      this.#runAlone(run, now)
    } else if (member === undefined) {
      this.#wait(run, now)
    } else {
      this.#place(run, member, now, 0)
      // Its time was over.
      if (member.load === 0) this.#release(member)
    }
  }

  /** How much may be shared; undefined while nothing may be. */
  get #limits(): MultiplexLimits | undefined {
    const { config, pooler } = this.#engine
    return pooler === undefined && !this.#isUnsupported ? config.multiplex : undefined
  }

  // ── for the engine ──

  get pending(): number {
    return this.#queue.size - (this.#asked === undefined ? 0 : 1)
  }

  leave(waiter: Waiter): boolean {
    if (!this.#queue.holds(waiter)) return false
    this.#queue.remove(waiter)
    if (this.#isIdle) this.#askNoMore()
    return true
  }

  makeRoom(now: number): void {
    const staying = this.#members.filter(({ leaving }) => !leaving)
    if (staying.length > 1) staying.at(-1)!.leaving = true
    else if (staying.length === 1) this.#engine.wakeAt(now + YIELD_MS)
  }

  refuseAll(error: Error): void {
    for (let run = this.#queue.shift(); run !== undefined; run = this.#queue.shift()) {
      run.refuse(ownError(error))
    }
  }

  check(now: number): void {
    for (const member of [...this.#members]) {
      if (this.#engine.phase === 'open' && member.freeAt(now) <= now) member.free(now)
    }
    if (this.#yieldsAt() <= now) {
      for (const member of this.#members) member.leaving = true
    }
    this.#serve(now)
  }

  nextAt(now: number): number {
    let next = this.#yieldsAt()
    for (const member of this.#members) {
      if (this.#engine.phase === 'open')
        next = Math.min(next, Math.max(now + 1, member.freeAt(now)))
    }
    return next
  }

  // ── for its members and calls ──

  now(): number {
    return this.#engine.now()
  }

  flushSoon(member: LaneMember): void {
    if (this.#flushing.push(member) > 1) return
    // Callers that answers have woken say what they want next in microtasks, which come before.
    // While all wait for this process, what else has come from servers is read first.
    if (this.pace.isBusy) this.#engine.clock.afterIo(this.#flush)
    else realTimers.nextTick(this.#flush)
  }

  cancel(slot: Slot): void {
    this.#engine.cancel(slot)
  }

  learn(cost: TextCost, least: number, most: number): void {
    if (cost.learn(least, most)) this.#takeOver()
  }

  finished(run: StatementRun, slot: Slot): void {
    // A call that shares its connection leaves it when it is answered, whatever its caller was
    // told.
    if ((run as SharedRun).member === undefined) this.#engine.returns.giveBack(slot)
  }

  again(run: StatementRun, slot: Slot): void {
    const { returns } = this.#engine
    const shared = run as SharedRun
    if (shared.member === undefined) returns.again(run, slot)
    else {
      const wasSent = shared.isSent
      shared.leave()
      const now = this.#engine.now()
      if (wasSent) this.#goOnAlone(shared, now, shared.leftMs(now))
      else this.run(shared, now)
    }
  }

  left(run: SharedRun, member: LaneMember): void {
    const engine = this.#engine
    // Answers that come together came at one time.
    const isAnswered = run.isSent && !member.slot.over
    member.remove(run)
    const now = isAnswered ? Math.max(member.cameAt, run.sentAt) : engine.now()
    engine.returns.shared(member.slot, run.isSent ? now - run.sentAt : 0)
    if (engine.seat !== undefined) this.#payBack(engine.seat, member)
    if (this.#queue.size > 0) this.#serve(now)
    if (member.load > 0) return
    this.#release(member)
    // What it was not given for its age, or because it is lost.
    if (this.#queue.size > 0) this.#serve(now)
    else if (this.#isIdle) this.#askNoMore()
  }

  // ── places ──

  #place(run: SharedRun, member: LaneMember, now: number, waitMs: number): void {
    if (!run.ride(member, now)) return
    this.#engine.handoff.share(member.slot, waitMs)
    member.add(run)
    if (member.load === 2) this.#engine.wakeAt(now + FREE_MS)
  }

  /**
   * The connection to send the next call on: the first that has little to do, or else one more, or
   * else the one with the least to do. Undefined if there is none; `alone` if each of those that
   * may be shared has enough to do for a while.
   */
  #choose(cost: TextCost, now: number, accepts?: AcceptsServer): LaneMember | 'alone' | undefined {
    const limits = this.#limits
    if (limits === undefined) return undefined
    const { maxInFlight, connections } = limits
    const { isSure } = cost
    const isTiny = isSure && cost.ms < (this.pace.isBusy ? SHORT_MS : TINY_MS)
    const packMs = isTiny ? PACK_TINY_MS : PACK_MS
    const mostMs = cost.ms < SHORT_MS ? MOST_BACKLOG_MS : this.pace.tripMs
    const mostLoad = isSure ? maxInFlight : MOST_UNSURE
    let best: LaneMember | undefined
    let staying = 0
    let isHeldBack = false
    for (const member of this.#members) {
      if (!this.#takes(member, now)) continue
      staying++
      if (member.load >= maxInFlight) continue
      if (accepts !== undefined && !accepts(member.slot.server)) continue
      if (!isTiny && member.load > 0 && (member.load >= mostLoad || member.backlogMs >= mostMs)) {
        isHeldBack = true
        continue
      }
      if (member.backlogMs < packMs) return member
      if (best === undefined || member.backlogMs < best.backlogMs) best = member
    }
    if (staying >= (isTiny ? Math.min(connections, MOST_FOR_TINY) : connections)) {
      return (
        best ??
        (isHeldBack && cost.ms >= SHORT_MS && this.#engine.phase === 'open' ? 'alone' : undefined)
      )
    }
    const slot = this.#engine.take(now, accepts)
    if (slot !== undefined) return this.#adopt(slot, now) ?? best
    if (best !== undefined && this.#mayGrow()) this.#ask(now, BEHIND)
    return best
  }

  /** Whether a connection may be given more. */
  #takes(member: LaneMember, now: number): boolean {
    if (!member.leaving && member.headMs(now) >= this.pace.lateMs) this.#suspectLate()
    const { slot } = member
    const { departures, handoff } = this.#engine
    member.leaving ||=
      slot.over ||
      member.suspicion !== handoff.suspicion ||
      departures.reasonToRetire(slot, now) !== undefined ||
      slot.marks.isRestDue(now) ||
      slot.marks.drifted
    return !member.leaving && member.connection.full !== true && !handoff.isSuspended
  }

  /** A statement seems to be late. Its answer may be there already, and not be read. */
  #suspectLate(): void {
    if (this.#looking) return
    this.#looking = true
    this.#engine.clock.afterIo(() => {
      this.#looking = false
      const now = this.#engine.now()
      // It belongs to its statement alone then, and others share the next one.
      for (const member of this.#members) {
        if (member.headMs(now) >= this.pace.lateMs) member.leaving = true
      }
      this.#serve(now)
    })
  }

  #adopt(slot: Slot, now: number): LaneMember | undefined {
    slot.share(now)
    const engine = this.#engine
    const isSupported = slot.connection!.share !== undefined
    if (!isSupported || slot.marks.resetDue || this.#limits === undefined) {
      if (!isSupported) this.#isUnsupported = true
      // A reset that travels in front of a statement could fail, and the next one would run.
      else if (slot.marks.resetDue) slot.marks.markDirty()
      engine.returns.endSharing(slot)
      return undefined
    }
    this.pace.lent(slot)
    const member = new LaneMember(this, slot, engine.handoff.suspicion)
    this.#members.push(member)
    if (engine.handoff.othersWaitSince !== undefined) engine.wakeAt(this.#yieldsAt())
    return member
  }

  #release(member: LaneMember): void {
    const index = this.#members.indexOf(member)
    if (index === -1) return
    this.#members.splice(index, 1)
    member.end()
    this.#engine.handoff.laneServed()
    this.#engine.returns.endSharing(member.slot, member.isOwed)
  }

  // ── waiting ──

  #wait(run: SharedRun, now: number): void {
    const engine = this.#engine
    const limitMs = run.leftMs(now) ?? engine.config.acquireTimeoutMs
    const refusal = engine.reasonToRefuse(now, limitMs, 0) ?? this.#queue.tooLongFor(limitMs)
    if (refusal !== undefined) {
      run.refuse(refusal)
      return
    }
    run.enqueuedAt = now
    this.#queue.push(run)
    engine.deadlines.add(run, now, limitMs)
    engine.wakeAt(now + limitMs)
    engine.deadlocks.waits(run)
    this.#serve(now)
  }

  /** Gives places to the calls that wait. */
  #serve(now: number): void {
    const queue = this.#queue
    while (queue.size > 0) {
      if (this.#limits === undefined) {
        this.#stepAside(now)
        return
      }
      const member = this.#choose((queue.first as SharedRun).cost, now)
      if (member === undefined) {
        this.#askIfNeeded(now)
        return
      }
      if (member === 'alone') this.#sendOff(queue.shift() as SharedRun, now)
      else {
        this.#placeNext(member, now)
        if (member.load === 0) this.#release(member)
      }
    }
    this.#engine.closing?.served()
  }

  #placeNext(member: LaneMember, now: number): void {
    const run = this.#queue.next(now)
    if (run !== undefined) this.#place(run, member, now, Math.max(0, now - run.enqueuedAt))
  }

  /** Nothing may be shared any more: each of the calls that wait gets a connection of its own. */
  #stepAside(now: number): void {
    this.#askNoMore()
    for (let run = this.#queue.shift(); run !== undefined; run = this.#queue.shift()) {
      this.#sendOff(run as SharedRun, now)
    }
  }

  /** Has a call that waited for a place take a connection of its own, or wait for one. */
  #sendOff(run: SharedRun, now: number): void {
    const leftMs = Math.max(1, run.deadlineAt - now)
    this.#engine.deadlines.remove(run)
    this.#goOnAlone(run, now, leftMs)
  }

  #askIfNeeded(now: number): void {
    const { connections } = this.#limits ?? { connections: 1 }
    const staying = this.#members.filter(({ leaving }) => !leaving).length
    if (staying === 0 || this.#engine.handoff.isSuspended) this.#ask(now, IN_FRONT)
    else {
      if (staying < connections) this.#ask(now, BEHIND)
      // One of those that stay may be late then.
      this.#engine.wakeAt(now + this.pace.lateMs)
    }
  }

  /** Whether one more connection would take nothing from other callers. */
  #mayGrow(): boolean {
    const { slots, config, handoff } = this.#engine
    return slots.size < config.max && handoff.othersWaitSince === undefined
  }

  #ask(now: number, priority: number): void {
    if (this.#asked !== undefined) {
      if (this.#asked.priority >= priority) return
      this.#askNoMore()
    }
    this.#asked = new LaneWaiter(
      priority,
      (slot, later) => this.#received(slot, later),
      (error) => {
        this.#answered()
        this.refuseAll(error)
      },
    )
    this.#engine.handoff.wait(this.#asked, now, MAX_MS)
  }

  #answered(): void {
    this.#engine.deadlines.remove(this.#asked!)
    this.#asked = undefined
  }

  /** No call needs the connection that was asked for. */
  #askNoMore(): void {
    if (this.#asked === undefined) return
    this.#engine.handoff.leave(this.#asked)
    this.#answered()
  }

  get #isIdle(): boolean {
    return this.#queue.size === 0 && this.#members.length === 0
  }

  #received(slot: Slot, now: number): void {
    this.#answered()
    const member = this.#adopt(slot, now)
    // Whatever speaks against giving it more: it would come here again.
    if (member !== undefined) this.#placeNext(member, now)
    this.#serve(now)
    if (member !== undefined && member.load === 0) this.#release(member)
  }

  #runAlone(run: SharedRun, now: number): void {
    const engine = this.#engine
    const slot = engine.take(now, run.accepts)
    if (slot === undefined) engine.wait(run, now, run.leftMs(now))
    else {
      engine.handoff.lend(slot, now, 0)
      run.receive(slot, now)
    }
  }

  /** As `#runAlone`, for a call that was admitted before, with what is left of its time. */
  #goOnAlone(run: SharedRun, now: number, leftMs: number | undefined): void {
    const { phase, name, handoff, config } = this.#engine
    if (phase === 'closing' || phase === 'closed') {
      run.refuse(new PoolClosedError(name))
      return
    }
    const slot = this.#engine.take(now, run.accepts)
    if (slot === undefined) handoff.wait(run, now, leftMs ?? config.acquireTimeoutMs)
    else {
      handoff.lend(slot, now, 0)
      run.receive(slot, now)
    }
  }

  /** A text has turned out to be quick: those that wait for connections of their own share one. */
  #takeOver(): void {
    const now = this.#engine.now()
    for (const waiter of this.#engine.handoff.takeOut(isQuick)) {
      this.#queue.push(waiter)
    }
    this.#serve(now)
  }

  #flushAll(): void {
    const now = this.#engine.now()
    const members = this.#flushing.splice(0)
    for (const member of members) member.flush(now)
    this.pace.worked(this.#engine.now())
  }

  /** Gives up a connection that another pool is owed, once it is answered. */
  #payBack(seat: BudgetSeat, member: LaneMember): void {
    const { slots, config } = this.#engine
    if (member.leaving) return
    let staying = slots.size
    for (const { isOwed } of this.#members) if (isOwed) staying--
    if (staying <= config.min || !seat.owes()) return
    member.leaving = true
    member.isOwed = true
  }

  /** When the last connection of the lane is due to other callers; `Infinity` if none wait. */
  #yieldsAt(): number {
    const since = this.#engine.handoff.othersWaitSince
    if (since === undefined) return Number.POSITIVE_INFINITY
    return this.#members.every(({ leaving }) => leaving)
      ? Number.POSITIVE_INFINITY
      : since + YIELD_MS
  }
}

function isQuick(waiter: Waiter): waiter is SharedRun {
  return waiter instanceof SharedRun && waiter.accepts === undefined && waiter.cost.isQuick
}
