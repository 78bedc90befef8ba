import { AsyncResource } from 'node:async_hooks'
import type { BudgetSeat } from '../api/connection-budget.js'
import type { Notice } from '../api/driver.js'
import { EventHub } from '../api/events.js'
import type { CloseOptions } from '../api/pool.js'
import type { PoolConfig } from '../api/pool-config.js'
import type { PoolerInEffect, PoolerSighting } from '../api/pooler.js'
import type { Clock } from '../base/clock.js'
import { ContextClock } from '../base/context-clock.js'
import { DeadlineQueue } from '../base/deadline-queue.js'
import { own } from '../base/own.js'
import { PoolTimer } from '../base/pool-timer.js'
import { Connector } from '../connect/connector.js'
import { Opening, type SlotOwner } from '../connect/opening.js'
import { HalfOpenWatch } from '../half-open/half-open-watch.js'
import { PoolerWatch, treatedAsPooler } from '../identity/pooler-watch.js'
import type { WatchdogLimits } from '../options/watchdog-options.js'
import {
  AcquireTimeoutError,
  ConnectionLostError,
  PoolClosedError,
  type PoolGauges,
} from '../outcome/errors.js'
import type { AcceptsServer } from '../server/server-identity.js'
import { ServerSightings } from '../server/server-sightings.js'
import { type Endpoint, formatEndpoint } from '../settings/endpoint.js'
import { countSlots } from '../slot/count-slots.js'
import type { Slot } from '../slot/slot.js'
import { Arrivals } from './arrivals.js'
import { BudgetMember } from './budget-member.js'
import { DeadlockWatch } from './deadlock-watch.js'
import { Departures } from './departures.js'
import type { EngineLane, EnginePhase, EngineView } from './engine-view.js'
import { Growth } from './growth.js'
import { Handoff } from './handoff.js'
import { LeakWatch } from './leak-watch.js'
import { Maintenance } from './maintenance.js'
import { PoolClosing, readCloseOptions } from './pool-closing.js'
import { Quarantine } from './quarantine.js'
import { Returns } from './returns.js'
import { ServerWishes } from './server-wishes.js'
import { SessionSet } from './session-set.js'
import { StatsRecorder } from './stats-recorder.js'
import type { Waiter } from './wait-queue.js'

// Some 3 µs each: few enough that sockets and other timers get their turn in between.
const EXPIRE_AT_ONCE = 500

/**
 * The life of the connections of one pool. It knows slots, waiters and time, and no statement,
 * lease or session. It only puts the parts together, each of which owns its own state: connections
 * come in by `arrivals` when `growth` says so, are lent by the `handoff`, come back by `returns`
 * and leave by `departures`. Every state change is synchronous and runs no user code.
 */
export class PoolEngine implements EngineView, SlotOwner {
  /** Every connection of the pool, from the attempt to open it to its end. */
  readonly slots: Set<Slot> = new Set()
  /** Deadlines of all calls. */
  readonly deadlines: DeadlineQueue = new DeadlineQueue()
  /** Tells listeners of events. */
  readonly hub: EventHub
  /** Counts for `stats()`. */
  readonly recorder: StatsRecorder = new StatsRecorder()
  /** Time, in the async context of the pool. */
  readonly clock: Clock
  /** The pool's only timer. */
  readonly timer: PoolTimer
  /** Opens sessions with the driver. */
  readonly connector: Connector
  /** Fills slots with sessions. */
  readonly opening: Opening
  /** Owns who waits and what is idle. */
  readonly handoff: Handoff
  /** Owns when connections are opened. */
  readonly growth: Growth
  /** The way in. */
  readonly arrivals: Arrivals
  /** The way back. */
  readonly returns: Returns
  /** The way out. */
  readonly departures: Departures
  /** Sessions beside the connections of the pool. */
  readonly sessions: SessionSet
  /** Cancels statements, and keeps their connections meanwhile. */
  readonly quarantine: Quarantine
  /** Finds forgotten leases. */
  readonly leaks: LeakWatch
  /** Finds deadlocks that pools cause themselves. */
  readonly deadlocks: DeadlockWatch
  /** Knows who waits for a certain server in vain. */
  readonly wishes: ServerWishes
  /** The shared lane. */
  lane: EngineLane | undefined = undefined
  /** Called when a connection was found half open: others may be so too. */
  lineBroke: (() => void) | undefined = undefined
  readonly #context = new AsyncResource('PoolhousePool', { requireManualDestroy: true })
  readonly #poolers: PoolerWatch
  readonly #servers: ServerSightings
  readonly #maintenance: Maintenance
  readonly #halfOpen: HalfOpenWatch
  /** The configuration in force. */
  readonly config: PoolConfig
  /** The pool's place at its budget, if it has one. */
  readonly seat: BudgetSeat | undefined
  /** The end of the pool, once it has begun. */
  readonly closing: PoolClosing | undefined
  /** Where the pool is in its life. */
  readonly phase: EnginePhase = 'open'
  /** Grows when connections are to be replaced; those of a lower era leave when they are free. */
  readonly era: number = 0

  /** Takes checked options. */
  constructor(config: PoolConfig) {
    this.hub = new EventHub(this.#context)
    this.clock = new ContextClock(config.clock, this.#context)
    this.config = { ...config, clock: this.clock }
    this.timer = new PoolTimer(this.clock, () => this.#tick())
    this.#poolers = new PoolerWatch(config.pooler, (sighting) => this.#poolerNoticed(sighting))
    this.#servers = new ServerSightings((servers, message) => {
      this.hub.emit('servers', { pool: this.name, servers, message })
    })
    this.connector = new Connector(this.config, this.#context, this.#poolers)
    this.opening = new Opening(this.connector, this.#poolers, this.#servers)
    this.handoff = new Handoff(this)
    this.growth = new Growth(this)
    this.arrivals = new Arrivals(this)
    this.returns = new Returns(this)
    this.departures = new Departures(this)
    this.sessions = new SessionSet(this)
    this.quarantine = new Quarantine(this)
    this.leaks = new LeakWatch(this)
    this.deadlocks = new DeadlockWatch(this)
    this.wishes = new ServerWishes(this)
    this.#maintenance = new Maintenance(this)
    this.#halfOpen = new HalfOpenWatch(this)
    this.#join(config.settings.endpoint)
    if (config.min > 0) this.growth.step(this.now())
  }

  // ── what its parts and its callers ask ──

  /** Name of the pool, for events and messages. */
  get name(): string {
    return this.config.name
  }

  /** The pooler to respect: declared, or noticed. */
  get pooler(): PoolerInEffect | undefined {
    return this.#poolers.inEffect
  }

  /** The limits of the half-open watch; undefined while no server is to be asked. */
  get watchdog(): WatchdogLimits | undefined {
    const asks = this.phase === 'open' && this.pooler === undefined
    return asks ? this.config.watchdog : undefined
  }

  /** Every connection that may have a statement in flight. */
  *watched(): Iterable<Slot> {
    yield* this.slots
    yield* this.sessions.slots
  }

  /** Time now, on the monotonic clock. */
  now(): number {
    return this.clock.now()
  }

  /** Has the pool's timer fire at this time, or earlier. */
  wakeAt(time: number): void {
    if (this.phase !== 'closed') this.timer.ensure(time)
  }

  /** Something was sent to a server: looks at the silence that may follow. */
  watchSilence(now: number): void {
    const { watchdog } = this.config
    if (watchdog !== undefined) this.wakeAt(now + watchdog.silenceMs)
  }

  /** Longest time for one statement that sets no limit of its own; 0 for none. */
  statementTimeoutMs(): number {
    return this.config.statementTimeoutMs
  }

  /** A call passed its deadline. */
  countTimeout(): void {
    this.recorder.timeouts++
  }

  /** The error for a caller that has waited for a connection for too long. */
  acquireTimeout(waitedMs: number): AcquireTimeoutError {
    const now = this.now()
    let longest: number | undefined
    for (const slot of this.slots) {
      if (slot.state === 'leased' && !slot.shared)
        longest = Math.max(longest ?? 0, now - slot.leasedAt)
    }
    const cause = this.growth.lastError
    const shortage = this.seat?.shortage?.()
    return new AcquireTimeoutError(waitedMs, this.gauges(), longest, cause, shortage)
  }

  /** What the pool is made of at this moment. */
  gauges(): PoolGauges {
    const total = this.slots.size
    // Not growth's count of connects under way: that one falls a moment after a connection is lent
    // or abandoned.
    const connecting = countSlots(this.slots, 'connecting')
    const { idle, pending } = this.handoff
    return {
      pool: this.name,
      endpoint: formatEndpoint(this.config.settings.endpoint),
      total,
      idle,
      leased: total - idle - connecting,
      connecting,
      pending,
      max: this.config.max,
    }
  }

  // ── lending ──

  /** The hottest idle connection, if it can be lent at once; the caller must lend it. */
  take(now: number, accepts?: AcceptsServer): Slot | undefined {
    if (this.phase !== 'open') return undefined
    this.noticeFreeze(now)
    return this.handoff.take(now, accepts)
  }

  /** Has idle connections prove themselves first if the process stood still before this call. */
  noticeFreeze(now: number): void {
    if (this.#maintenance.isDue(now)) this.#maintenance.checkFreeze(now)
  }

  /** Lets a caller wait for a connection, or refuses it at once. */
  wait(waiter: Waiter, now: number, timeoutMs: number | undefined): void {
    const limitMs = timeoutMs ?? this.config.acquireTimeoutMs
    const refusal = this.reasonToRefuse(now, limitMs, waiter.priority)
    if (refusal === undefined) {
      this.deadlocks.waits(waiter)
      this.handoff.wait(waiter, now, limitMs)
      if (waiter.accepts !== undefined) this.wishes.check(waiter, waiter.accepts)
    } else {
      waiter.refuse(refusal, true)
    }
  }

  /** Why a new caller must not wait; undefined if it may. */
  reasonToRefuse(now: number, limitMs: number, priority: number): Error | undefined {
    if (this.phase !== 'open') return new PoolClosedError(this.name)
    const { handoff } = this
    const { maxPending } = this.config
    if (handoff.pending >= maxPending) return handoff.overloaded(`maxPending is ${maxPending}`)
    const hopeless = handoff.tooLongFor(limitMs, priority)
    if (hopeless !== undefined) return handoff.overloaded(hopeless)
    return this.slots.size === 0 ? this.growth.refusal(now) : undefined
  }

  /** A caller no longer waits. */
  leaveQueue(waiter: Waiter): void {
    this.handoff.leave(waiter)
    this.closing?.served()
  }

  /** Cancels what a connection runs, and keeps it out of service until that is settled. */
  cancel(slot: Slot): void {
    this.quarantine.cancel(slot)
  }

  // ── what becomes of sessions ──

  ended(slot: Slot, reason: unknown): void {
    if (this.sessions.has(slot)) this.sessions.ended(slot, reason)
    else this.departures.ended(slot, reason)
  }

  committedLocally(slot: Slot, { message }: Notice): void {
    if (!this.hub.has('durability')) return
    const { name: pool } = this
    this.hub.emit('durability', { pool, connection: slot.id, durability: 'local', message })
  }

  #poolerNoticed(sighting: PoolerSighting): void {
    for (const slot of this.slots) slot.poolerNoticed()
    for (const slot of this.sessions.slots) slot.poolerNoticed()
    // Of the connections that exist, all but one leave when they are next idle; those under way
    // find the session taken.
    if (sighting.oneSession) this.apply(this.config, false)
    const { name: pool } = this
    this.hub.emit('pooler', { pool, ...sighting, message: treatedAsPooler(sighting) })
  }

  // ── control ──

  /** Puts a new configuration into force; `replace` retires the connections of the old one. */
  apply(config: PoolConfig, replace: boolean): void {
    if (replace) this.#move(config.settings.endpoint)
    own<PoolEngine>(this).config = this.#poolers.sighting?.oneSession
      ? { ...config, max: 1, min: Math.min(config.min, 1) }
      : config
    if (replace) {
      own<PoolEngine>(this).era++
      this.connector.reconfigure(config)
      this.#servers.forget()
    }
    const now = this.now()
    this.growth.reconfigured()
    this.departures.retireUnneeded()
    this.arrivals.checkWarm()
    this.handoff.supply(now)
    this.lane?.check(now)
    this.wakeForUpkeep(now)
  }

  #join(endpoint: Endpoint): void {
    const { budget } = this.config
    own<PoolEngine>(this).seat = budget?.join(
      this.deadlocks.joined(new BudgetMember(this, endpoint)),
    )
  }

  /**
   * Connections to another server count there; those to the former one count where they are until
   * they are gone.
   */
  #move(to: Endpoint): void {
    const { host, port } = this.config.settings.endpoint
    if (this.seat === undefined || (host === to.host && port === to.port)) return
    this.seat.leave()
    this.#join(to)
  }

  /** Replaces all connections; resolves when the last of the old ones is gone. */
  recycle(): Promise<void> {
    own<PoolEngine>(this).era++
    return this.departures.recycle()
  }

  /**
   * Destroys the connections to accepted servers, which are down, and refuses the callers that wait
   * for one of them.
   */
  destroyOnly(accepts: AcceptsServer, reason: string): void {
    for (const slot of [...this.slots]) {
      if (slot.connection !== undefined && accepts(slot.server)) {
        this.departures.destroy(slot, reason)
      }
    }
    const message = `the connections of pool "${this.name}" to one server were destroyed: ${reason}`
    this.handoff.dismiss(
      (wish) => wish === accepts,
      () => new ConnectionLostError(message, { executed: 'no' }),
    )
    this.growth.step(this.now())
  }

  /** Destroys all connections and refuses all callers that wait. */
  destroyAll(reason: string): void {
    for (const slot of [...this.slots]) this.departures.destroy(slot, reason)
    const message = `all connections of pool "${this.name}" were destroyed: ${reason}`
    this.refuseWaiters(new ConnectionLostError(message, { executed: 'no' }))
    this.growth.step(this.now())
  }

  /** Ends the pool; resolves when the last socket is closed. A second call waits for the first. */
  async close(options: CloseOptions): Promise<void> {
    const checked = readCloseOptions(options)
    if (this.closing === undefined) {
      own<PoolEngine>(this).phase = checked.waiters === 'serve' ? 'serving' : 'closing'
      // Callers that are refused anyway must not be given a connection first.
      if (checked.waiters === 'serve') this.handoff.resume()
      this.arrivals.failWarm(new PoolClosedError(this.name))
      this.#halfOpen.stop()
      own<PoolEngine>(this).closing = new PoolClosing(this, checked)
    }
    await this.closing!.done
    own<PoolEngine>(this).phase = 'closed'
    this.seat?.leave()
    this.refuseNew()
    this.deadlocks.stop()
    this.timer.stop()
  }

  /** Opens nothing more, and refuses all callers that wait: the pool closes. */
  refuseNew(): void {
    if (this.phase === 'serving') own<PoolEngine>(this).phase = 'closing'
    this.growth.stop()
    this.refuseWaiters(new PoolClosedError(this.name))
    this.opening.abortAll(new PoolClosedError(this.name))
  }

  /** Refuses all callers that wait for a connection. */
  refuseWaiters(error: Error): void {
    this.arrivals.failWarm(error)
    this.handoff.refuseAll(error)
    this.closing?.check()
  }

  // ── background ──

  #tick(): void {
    const now = this.now()
    const { stackTraceLimit } = Error
    // The stack of a timer tells a reader nothing, and thousands of them cost seconds.
    Error.stackTraceLimit = 0
    const more = this.deadlines.expire(now, EXPIRE_AT_ONCE)
    Error.stackTraceLimit = stackTraceLimit
    if (more) {
      // The rest comes after another look at the sockets. Not by the timer as well: each round
      // would begin two, and all of them together would stall the loop.
      this.clock.afterIo(() => this.#tick())
      return
    }
    this.#maintenance.sweep(now)
    this.deadlocks.check()
    this.#halfOpen.check(now)
    this.lane?.check(now)
    this.handoff.supply(now)
    const upkeepAt = this.#upkeepAt(now)
    this.wakeAt(Math.min(this.deadlines.nextAt(), this.deadlocks.nextAt(now), upkeepAt))
  }

  /** Has the timer fire when connections need to be looked at next. */
  wakeForUpkeep(now: number): void {
    this.wakeAt(this.#upkeepAt(now))
  }

  #upkeepAt(now: number): number {
    const laneAt = this.lane?.nextAt(now) ?? Number.POSITIVE_INFINITY
    return Math.min(this.#maintenance.nextAt(now), this.#halfOpen.nextAt(now), laneAt)
  }
}
