import { messageOf } from '../base/message-of.js'
import { own } from '../base/own.js'
import { ownError } from '../base/own-error.js'
import { withDeadline } from '../base/with-deadline.js'
import { PoolOverloadedError } from '../outcome/errors.js'
import type { AcceptsServer } from '../server/server-identity.js'
import { IdleStack } from '../slot/idle-stack.js'
import type { Slot } from '../slot/slot.js'
import type { EngineView } from './engine-view.js'
import { Overload } from './overload.js'
import { type Waiter, WaitQueue } from './wait-queue.js'

const VALIDATE_MS = 1_000
const HEARTBEAT_MS = 1_000

/**
 * Brings connections and callers together. Owns the waiting callers and the idle connections: a
 * free connection goes to the next caller in the same tick or becomes idle; a caller takes the
 * hottest idle connection or waits. While a caller waits, no connection is idle that could be lent
 * to it at once.
 */
export class Handoff {
  readonly #engine: EngineView
  readonly #waiters = new WaitQueue()
  readonly #idle = new IdleStack()
  #validating = 0
  // Connections that were idle and are being reset.
  #resting = 0
  // Grows with every reason to doubt idle connections; a connection that proved itself under a
  // lower number must do so again.
  /** The present suspicion; a connection that was just opened has proved itself under it. */
  readonly suspicion: number = 0
  #suspended = false
  // Whether the lane has had a connection since another caller that waited got one.
  #laneHadItsTurn = false
  #shedding: Overload | undefined

  /** Lends the connections of this engine. */
  constructor(engine: EngineView) {
    this.#engine = engine
  }

  /** Callers that wait, also for a place on a shared connection. */
  get pending(): number {
    return this.#waiters.size + (this.#engine.lane?.pending ?? 0)
  }

  /** Since when a caller has waited for a connection of its own; undefined if none waits. */
  get othersWaitSince(): number | undefined {
    return this.#waiters.size === 0 ? undefined : this.#waiters.oldest()?.enqueuedAt
  }

  /** Whether nothing is lent at the moment. */
  get isSuspended(): boolean {
    return this.#suspended
  }

  /** Idle connections. */
  get idle(): number {
    return this.#idle.size
  }

  /** The connection that has been idle longest. */
  get longestIdle(): Slot | undefined {
    return this.#idle.bottom
  }

  /** Connections that waiting callers need beyond those under way. */
  wanted(): number {
    if (this.#suspended) return 0
    return this.#waiters.size - this.#validating - this.#resting - this.#engine.growth.connecting
  }

  /** Callers that wait for a certain server. */
  get choosy(): number {
    return this.#waiters.choosy
  }

  /**
   * The hottest idle connection, if it needs no proof and no waiting caller would take it. It must
   * be lent at once. With `accepts`, only connections to an accepted server count.
   */
  take(now: number, accepts?: AcceptsServer): Slot | undefined {
    if (this.#suspended || this.#waiters.size > this.#waiters.choosy) return undefined
    if (accepts !== undefined) return this.#takeOnly(now, accepts)
    let slot = this.#idle.top
    while (slot !== undefined && slot.expiresAt <= now) {
      this.#engine.departures.retire(slot, 'maximum lifetime reached')
      slot = this.#idle.top
    }
    if (slot === undefined || this.#mustProve(slot, now)) return undefined
    this.#idle.remove(slot)
    slot.connection!.ref()
    return slot
  }

  #takeOnly(now: number, accepts: AcceptsServer): Slot | undefined {
    for (let slot = this.#idle.top; slot !== undefined; slot = slot.below) {
      if (!accepts(slot.server) || slot.expiresAt <= now || this.#mustProve(slot, now)) continue
      this.#idle.remove(slot)
      slot.connection!.ref()
      return slot
    }
    return undefined
  }

  /** The wishes of callers that wait for a certain server, each once. */
  wishes(): Iterable<AcceptsServer> {
    if (this.#waiters.choosy === 0) return []
    return new Set(this.#waiters.choosyOnes().map(({ accepts }) => accepts!))
  }

  /** Refuses the callers that wait for a certain server in vain. */
  dismiss(isVain: (accepts: AcceptsServer) => boolean, refusal: () => Error): void {
    if (this.#waiters.choosy === 0) return
    const vain = new Map<AcceptsServer, boolean>()
    for (const waiter of this.#waiters.choosyOnes()) {
      const accepts = waiter.accepts!
      let is = vain.get(accepts)
      if (is === undefined) {
        is = isVain(accepts)
        vain.set(accepts, is)
      }
      if (!is) continue
      this.leave(waiter)
      waiter.refuse(refusal())
    }
  }

  /**
   * Why a new caller should not wait: load is shed, and waits are longer than its limit. Undefined
   * if it may wait.
   */
  tooLongFor(limitMs: number, priority: number): string | undefined {
    // A higher priority overtakes the callers by which the wait was measured.
    if (this.#waiters.size === 0 || priority > 0) return undefined
    const waitMs = this.#overload()?.tooLongFor(limitMs)
    return waitMs === undefined ? undefined : this.hopeless(limitMs, waitMs)
  }

  /** Why a call should not wait that has less time than others have waited. */
  hopeless(limitMs: number, waitMs: number): string {
    return `this call has ${Math.round(limitMs)} ms, and the last one served had waited ${Math.round(waitMs)} ms`
  }

  /** Lets a caller wait, at most `limitMs`. */
  wait(waiter: Waiter, now: number, limitMs: number): void {
    waiter.enqueuedAt = now
    this.#waiters.push(waiter)
    this.#engine.deadlines.add(waiter, now, limitMs)
    if (this.#waiters.size === 1) this.#engine.timer.keepAlive(true)
    this.#engine.timer.ensure(now + limitMs)
    if (waiter.accepts === undefined) this.supply(now)
    else this.#supplyOne(waiter, waiter.accepts, now)
    if (waiter.lane !== undefined && !waiter.isLane) this.#engine.lane?.makeRoom(now)
  }

  /** Takes a caller out of the queue. */
  leave(waiter: Waiter): void {
    if (this.#engine.lane?.leave(waiter) === true) return
    this.#waiters.remove(waiter)
    if (this.#waiters.size === 0) this.#engine.timer.keepAlive(false)
  }

  /** Refuses all waiting callers. */
  refuseAll(error: Error): void {
    this.#engine.timer.keepAlive(false)
    for (let waiter = this.#waiters.shift(); waiter !== undefined; waiter = this.#waiters.shift()) {
      waiter.refuse(ownError(error))
    }
    this.#engine.lane?.refuseAll(error)
  }

  /** Takes out every waiter of a kind, in order. */
  takeOut<Kind extends Waiter>(isOfKind: (waiter: Waiter) => waiter is Kind): Kind[] {
    const found = this.#waiters.takeOut(isOfKind)
    if (this.#waiters.size === 0) this.#engine.timer.keepAlive(false)
    return found
  }

  /** A call goes out on a connection that it shares, after it has waited for `waitMs`. */
  share(slot: Slot, waitMs: number): void {
    const { recorder, hub } = this.#engine
    slot.use()
    recorder.lent(waitMs)
    if (hub.calls !== undefined) hub.calls.observer?.lent(waitMs)
    if (hub.has('acquire')) this.#reportLent(slot, waitMs)
  }

  /** Gives a connection to a caller that has waited for `waitMs`; the caller receives it next. */
  lend(slot: Slot, now: number, waitMs: number): void {
    const engine = this.#engine
    slot.lend(now)
    engine.recorder.lent(waitMs)
    if (engine.hub.calls !== undefined) engine.hub.calls.observer?.lent(waitMs)
    engine.closing?.served()
    if (engine.hub.has('acquire')) this.#reportLent(slot, waitMs)
  }

  #reportLent(slot: Slot, waitMs: number): void {
    const { hub, name } = this.#engine
    hub.emit('acquire', { pool: name, connection: slot.id, waitMs })
  }

  /** Makes the error for a caller that is refused because there are too many, and reports it. */
  overloaded(reason: string): PoolOverloadedError {
    this.#engine.hub.emit('overload', { pool: this.#engine.name, pending: this.pending })
    return new PoolOverloadedError(reason, this.#engine.gauges())
  }

  /** Gives a clean connection to the next caller in the same tick, or lets it become idle. */
  offer(slot: Slot, now: number): void {
    const waiter = this.#suspended ? undefined : this.#next(now, slot)
    // Callers that were refused have left as well.
    if (this.#waiters.size === 0) this.#engine.timer.keepAlive(false)
    if (waiter !== undefined) {
      if (!waiter.isLane) this.lend(slot, now, now - waiter.enqueuedAt)
      waiter.receive(slot, now)
      return
    }
    slot.rest(now)
    slot.connection!.unref()
    this.#idle.push(slot)
    const { idleTimeoutMs } = this.#engine.config
    const soon = idleTimeoutMs > 0 && idleTimeoutMs < HEARTBEAT_MS ? idleTimeoutMs : HEARTBEAT_MS
    this.#engine.timer.ensure(now + soon)
  }

  /**
   * The caller to serve next. While load is shed, callers that have waited too long are refused on
   * the way.
   */
  #next(now: number, slot: Slot): Waiter | undefined {
    const overload = this.#overload()
    let waiter = this.#shift(slot)
    while (overload !== undefined && waiter?.isLane === false) {
      const waitMs = now - waiter.enqueuedAt
      if (overload.admit(waitMs, now)) break
      waiter.refuse(this.shed(overload.options.targetMs, waitMs))
      waiter = this.#shift(slot)
    }
    return waiter
  }

  /** Takes out the next caller. The lane, which stands in front, takes turns with the others. */
  #shift(slot: Slot): Waiter | undefined {
    const first = this.#waiters.shift(slot)
    if (first?.isLane === true) {
      const other = this.#laneHadItsTurn ? this.#waiters.shift(slot) : undefined
      if (other === undefined) return first
      this.#waiters.push(first)
      this.#laneHadItsTurn = false
      return other
    }
    this.#laneHadItsTurn = false
    return first
  }

  /** The lane has had a connection: another caller that waits is next. */
  laneServed(): void {
    this.#laneHadItsTurn = true
  }

  /** Makes the error of a call that has waited for `waitMs` while load is shed, and reports it. */
  shed(targetMs: number, waitMs: number): PoolOverloadedError {
    return this.overloaded(
      `waits have stayed above ${targetMs} ms, and this call had waited ${Math.round(waitMs)} ms`,
    )
  }

  #overload(): Overload | undefined {
    const { overload } = this.#engine.config
    if (overload !== this.#shedding?.options) this.#shedding = overload && new Overload(overload)
    return this.#shedding
  }

  /**
   * Counts connections that were idle and soon are so again: no others are opened in their place.
   */
  expectBack(more: number): void {
    this.#resting += more
  }

  /** Takes a connection off the idle stack: it is retired or lost. */
  removeIdle(slot: Slot): void {
    this.#idle.remove(slot)
  }

  /**
   * Finds connections for the waiting callers: idle ones that must prove themselves first, then new
   * ones.
   */
  supply(now: number): void {
    // Connects under way do not count here: an idle connection is ready sooner.
    while (!this.#suspended && this.#waiters.size > this.#validating) {
      const slot = this.#wantedIdle()
      if (slot === undefined) break
      this.#idle.remove(slot)
      slot.connection!.ref()
      if (this.#mustProve(slot, now)) this.#validate(slot)
      else this.offer(slot, now)
    }
    this.#engine.growth.step(now)
  }

  /** The hottest idle connection that a waiting caller accepts. */
  #wantedIdle(): Slot | undefined {
    let slot = this.#idle.top
    if (this.#waiters.choosy === 0) return slot
    while (slot !== undefined && !this.#waiters.wants(slot)) slot = slot.below
    return slot
  }

  /**
   * As `supply`, for one new caller that wants a certain server: the callers before it accept none
   * of the idle connections.
   */
  #supplyOne(waiter: Waiter, accepts: AcceptsServer, now: number): void {
    let slot = this.#suspended ? undefined : this.#idle.top
    while (slot !== undefined && !accepts(slot.server)) slot = slot.below
    if (slot !== undefined && waiter.lane !== undefined) {
      this.#idle.remove(slot)
      slot.connection!.ref()
      if (this.#mustProve(slot, now)) this.#validate(slot)
      else this.offer(slot, now)
    }
    this.#engine.growth.step(now)
  }

  /** Connections that are idle now must prove themselves before their next use. */
  suspect(): void {
    own<Handoff>(this).suspicion++
  }

  /** Lends nothing until `resume`. */
  suspend(): void {
    this.#suspended = true
  }

  /** Ends `suspend`. */
  resume(): void {
    if (!this.#suspended) return
    this.#suspended = false
    const now = this.#engine.now()
    this.supply(now)
    this.#engine.lane?.check(now)
  }

  #mustProve(slot: Slot, now: number): boolean {
    return (
      slot.trusted < this.suspicion ||
      now - slot.idleSince > this.#engine.config.validateAfterIdleMs
    )
  }

  #validateAll(): void {
    for (let slot = this.#idle.top; slot !== undefined; slot = this.#idle.top) {
      this.#idle.remove(slot)
      slot.connection!.ref()
      this.#validate(slot)
    }
  }

  #validate(slot: Slot): void {
    slot.validate()
    this.#validating++
    const suspicion = this.suspicion
    const ping = slot.connection!.ping()
    withDeadline(this.#engine.clock, ping, VALIDATE_MS, 'it did not answer').then(
      () => {
        this.#validating--
        if (slot.state === 'validating') {
          slot.trusted = suspicion
          this.#engine.returns.reuse(slot, this.#engine.now())
        } else {
          // Destroyed meanwhile: the caller that counted on it needs another.
          this.supply(this.#engine.now())
        }
      },
      (error: unknown) => {
        this.#validating--
        // One dead connection casts doubt on all others that are idle. They prove themselves
        // together: one after the other would cost the waiter a second for each.
        this.suspect()
        this.#engine.departures.destroy(slot, `failed its check: ${messageOf(error)}`)
        if (this.#waiters.size > 0) this.#validateAll()
        this.supply(this.#engine.now())
      },
    )
  }
}
