import { AsyncResource } from 'node:async_hooks'
import type { BudgetedPool, BudgetSeat } from '../api/connection-budget.js'
import type { Notice } from '../api/driver.js'
import { EventHub } from '../api/events.js'
import type { Lease } from '../api/lease.js'
import type { CloseOptions } from '../api/pool.js'
import type { PoolConfig } from '../api/pool-options.js'
import type { PoolerInEffect, PoolerSighting } from '../api/pooler.js'
import type { Session, SessionOptions } from '../api/session.js'
import { tracing } from '../api/tracing.js'
import type { Clock } from '../base/clock.js'
import { ContextClock } from '../base/context-clock.js'
import { DeadlineQueue } from '../base/deadline-queue.js'
import { checkNumber } from '../base/option-check.js'
import { PoolTimer } from '../base/pool-timer.js'
import { Connector } from '../connect/connector.js'
import { Opening, type SlotOwner } from '../connect/opening.js'
import { HalfOpenWatch } from '../half-open/half-open-watch.js'
import { elsewhereError, ServerWishes } from '../identity/only-to.js'
import { PoolerWatch } from '../identity/pooler-watch.js'
import type { AcquireCall, AcquireHost } from '../lease/acquire-call.js'
import { type LeaseHost, PoolLease } from '../lease/pool-lease.js'
import {
  AcquireTimeoutError,
  ConnectionLostError,
  LeaseReleasedError,
  PoolClosedError,
  type PoolGauges,
  PoolOverloadedError,
} from '../outcome/errors.js'
import { isResetFailure } from '../outcome/reset-failure.js'
import type { AcceptsServer } from '../server/server-identity.js'
import { ServerSightings, serversInUse } from '../server/server-sightings.js'
import { type Endpoint, formatEndpoint } from '../settings/endpoint.js'
import { Slot, type SlotState } from '../slot/slot.js'
import type { RunOwner, StatementRun } from '../statement/statement-run.js'
import { treatedAsPooler } from '../statement/through-pooler.js'
import { clean, isClean, withDeadline } from './cleaning.js'
import { DeadlockWatch } from './deadlock-watch.js'
import { Growth } from './growth.js'
import { HandOver } from './handoff.js'
import { type Leak, LeakWatch } from './leak-watch.js'
import { Maintenance } from './maintenance.js'
import { PoolClosing, readCloseOptions } from './pool-closing.js'
import { Quarantine } from './quarantine.js'
import { Recycling } from './recycling.js'
import { SessionSet } from './session-set.js'
import { StatsRecorder } from './stats-recorder.js'
import type { Waiter } from './wait-queue.js'
import { Warming } from './warming.js'

const RETIRE_MS = 2_000
// A driver has to keep the deadline itself; this is how much later we stop believing that it will.
const RETIRE_GRACE_MS = 250
// Some 3 µs each: few enough that sockets and other timers get their turn in between.
const EXPIRE_AT_ONCE = 500
// Several round trips to a distant server; who does not let us in within this time proves nothing.
const ASKING_MS = 2_000
const WATCHDOG = 'poolhouse-watchdog'
const LIFETIME_JITTER = 0.1
// New sessions that may lead to another server than the one that is wanted.
const MOST_TRIES = 8
const USABLE: ReadonlySet<SlotState> = new Set(['idle', 'validating', 'leased', 'cleaning'])
const CONNECTING: ReadonlySet<SlotState> = new Set(['connecting'])
const CLOSING: ReadonlySet<SlotState> = new Set(['closing'])

/**
 * The life of the connections of one pool: opened by growth, lent by the hand-over, cleaned on
 * their way back, retired or lost. It only orchestrates; each of these owns its own state. Every
 * state change is synchronous and runs no user code.
 */
export class PoolEngine implements LeaseHost, AcquireHost, RunOwner, SlotOwner {
  readonly slots: Set<Slot> = new Set()
  readonly deadlines: DeadlineQueue = new DeadlineQueue()
  readonly hub: EventHub
  readonly recorder: StatsRecorder = new StatsRecorder()
  readonly clock: Clock
  readonly handOver: HandOver
  readonly deadlocks: DeadlockWatch
  readonly #context = new AsyncResource('PoolhousePool', { requireManualDestroy: true })
  readonly #timer: PoolTimer
  readonly #growth: Growth
  readonly #maintenance: Maintenance
  readonly #poolers: PoolerWatch
  readonly #servers: ServerSightings
  readonly #wishes = new ServerWishes()
  readonly #connector: Connector
  readonly #opening: Opening
  readonly #sessions: SessionSet
  readonly #quarantine: Quarantine
  readonly #warming = new Warming()
  readonly #leaks: LeakWatch
  readonly #halfOpen: HalfOpenWatch
  readonly #recycling = new Recycling()
  #config: PoolConfig
  #seat: BudgetSeat | undefined
  #closing: PoolClosing | undefined
  #state: 'open' | 'serving' | 'closing' | 'closed' = 'open'
  // Grows when connections are to be replaced; those of a lower era are retired when they are next
  // free.
  #era = 0
  #lastId = 0

  /**
   * Told when a connection was found half open: others that nothing was heard from may be so too.
   */
  lineBroke: (() => void) | undefined = undefined

  /** Takes checked options. */
  constructor(config: PoolConfig) {
    this.hub = new EventHub(this.#context)
    this.clock = new ContextClock(config.clock, this.#context)
    this.#config = { ...config, clock: this.clock }
    this.#timer = new PoolTimer(this.clock, () => this.#tick())
    this.#poolers = new PoolerWatch(config.pooler, (sighting) => this.#poolerNoticed(sighting))
    this.#connector = new Connector(this.#config, this.#context, this.#poolers)
    this.#servers = new ServerSightings((servers, message) => {
      this.hub.emit('servers', { pool: this.name, servers, message })
    })
    this.#opening = new Opening(this.#connector, this.#poolers, this.#servers)
    this.#sessions = new SessionSet(this, this.#opening, () => {
      this.#seat?.outside(this.#sessions.size)
      this.#closing?.check()
    })
    this.#quarantine = new Quarantine(
      this.clock,
      (slot, reason) => this.#break(slot, reason),
      () => this.#closing?.check(),
    )
    this.#maintenance = new Maintenance(this.#maintenanceHost(), this.#config)
    this.#leaks = new LeakWatch(
      () => this.now(),
      (leak) => this.#leaked(leak),
    )
    this.#halfOpen = new HalfOpenWatch(this.#halfOpenHost())
    this.#growth = new Growth(this.#growthHost(), this.#config)
    this.handOver = new HandOver(this.#handOverHost())
    this.deadlocks = new DeadlockWatch(this.#deadlockHost())
    this.#seat = config.budget?.join(this.deadlocks.joined(this.#budgeted()))
    if (config.min > 0) this.#growth.step(this.now())
  }

  get name(): string {
    return this.#config.name
  }

  get config(): PoolConfig {
    return this.#config
  }

  /** The pooler to respect: declared, or noticed. */
  get pooler(): PoolerInEffect | undefined {
    return this.#poolers.inEffect
  }

  /** The last connect error, until a connect succeeds. */
  get lastConnectError(): unknown {
    return this.#growth.lastError
  }

  // ── lending ──

  /** The hottest idle connection, if it can be lent at once; the caller must lend it. */
  take(now: number, accepts?: AcceptsServer): Slot | undefined {
    if (this.#state !== 'open') return undefined
    if (this.#maintenance.isDue(now)) this.#maintenance.checkFreeze(now)
    return this.handOver.take(now, accepts)
  }

  /** Lets a caller wait, or refuses it at once. */
  wait(waiter: Waiter, now: number, timeoutMs: number | undefined): void {
    const limitMs = timeoutMs ?? this.#config.acquireTimeoutMs
    const refusal = this.#whyRefuse(now, limitMs, waiter.priority)
    if (refusal === undefined) {
      this.deadlocks.waits(waiter)
      this.handOver.wait(waiter, now, limitMs)
      if (waiter.accepts !== undefined) this.#dismissOneInVain(waiter, waiter.accepts)
    } else {
      waiter.refuse(refusal)
    }
  }

  #dismissOneInVain(waiter: Waiter, accepts: AcceptsServer): void {
    const full = this.slots.size >= this.#config.max
    if (waiter.lane === undefined || !this.#wishes.isVain(accepts, this.slots, full)) return
    this.handOver.leave(waiter)
    waiter.refuse(elsewhereError(this.name, formatEndpoint(this.#config.settings.endpoint)))
  }

  /** Those who wait for a server that no connection leads to need not wait out their time. */
  #dismissInVain(): void {
    if (this.handOver.choosy === 0) return
    const full = this.slots.size >= this.#config.max
    this.handOver.dismiss(
      (accepts) => this.#wishes.isVain(accepts, this.slots, full),
      () => elsewhereError(this.name, formatEndpoint(this.#config.settings.endpoint)),
    )
  }

  #whyRefuse(now: number, limitMs: number, priority: number): Error | undefined {
    if (this.#state !== 'open') return new PoolClosedError(this.name)
    const { maxPending } = this.#config
    if (this.handOver.pending >= maxPending) return this.#overloaded(`maxPending is ${maxPending}`)
    const hopeless = this.handOver.tooLongFor(limitMs, priority)
    if (hopeless !== undefined) return this.#overloaded(hopeless)
    return this.slots.size === 0 ? this.#growth.refusal(now) : undefined
  }

  #overloaded(reason: string): PoolOverloadedError {
    this.hub.emit('overload', { pool: this.name, pending: this.handOver.pending })
    return new PoolOverloadedError(reason, this.gauges())
  }

  /** Marks a connection as lent. */
  lent(slot: Slot, now: number, waitMs: number): void {
    slot.lend(now)
    this.recorder.acquired++
    this.recorder.wait.record(waitMs)
    if (this.#state === 'serving') this.#served()
    if (this.hub.has('acquire')) {
      this.hub.emit('acquire', { pool: this.name, connection: slot.id, waitMs })
    }
  }

  /**
   * Makes the lease of a connection that has been lent, to a caller who had to wait for it or not.
   */
  lease(
    slot: Slot,
    call?: AcquireCall,
    resetAround: boolean | undefined = call?.resetAround,
  ): Lease {
    if (resetAround && this.pooler === undefined) slot.resetAround()
    const lease = new PoolLease(this, slot)
    this.#leaks.made(slot, lease, call)
    return lease
  }

  /** Lets a caller wait for a lease. */
  waitForLease(call: AcquireCall, now: number, timeoutMs: number | undefined): void {
    this.#leaks.waits(call, now)
    this.wait(call, now, timeoutMs)
  }

  leaveQueue(waiter: Waiter): void {
    this.handOver.leave(waiter)
    if (this.#state === 'serving') this.#served()
  }

  /** While a closing pool serves its last waiters: what none of them needs any more is closed. */
  #served(): void {
    if (this.handOver.pending === 0) this.#retireIdle()
    this.#closing?.check()
  }

  // ── the way back ──

  /** A statement run by `query()` itself is over: its connection comes back. */
  finished(_run: StatementRun, slot: Slot): void {
    this.giveBack(slot)
  }

  giveBack(slot: Slot): void {
    const now = this.now()
    this.#endLease(slot, now)
    if (slot.state !== 'leased') return
    if (slot.over) {
      this.ended(slot, slot.lostReason)
      slot.connection!.destroy(slot.lostReason)
      return
    }
    slot.returned(this.#resets(slot))
    const { spoiled } = slot.marks
    if (spoiled !== undefined) this.#endSpoiled(slot, spoiled)
    else if (isClean(slot)) this.#reuse(slot, now)
    else this.#clean(slot)
  }

  /**
   * The statement was not begun on this connection, which is over; it takes or waits for another.
   */
  again(run: StatementRun, slot: Slot): void {
    this.giveBack(slot)
    const now = this.now()
    const next = this.take(now, run.accepts)
    if (next === undefined) {
      this.wait(run, now, run.leftMs(now))
    } else {
      this.lent(next, now, 0)
      run.receive(next, now)
    }
  }

  /**
   * Whether the session is reset after this borrower, whatever his texts show. Behind a pooler a
   * reset would reach any session or other.
   */
  #resets(slot: Slot): boolean {
    return (slot.marks.resetAfter || this.#config.reset === 'always') && this.pooler === undefined
  }

  discard(slot: Slot, reason: string): void {
    this.#endLease(slot, this.now())
    this.#destroy(slot, reason)
    this.handOver.supply(this.now())
  }

  releasedAgain(slot: Slot): void {
    this.hub.emit('release', { pool: this.name, connection: slot.id, useMs: 0, again: true })
  }

  #endLease(slot: Slot, now: number): void {
    slot.endLease(this.name)
    const useMs = now - slot.leasedAt
    this.recorder.released++
    this.recorder.use.record(useMs)
    this.#leaks.ended(slot)
    if (this.hub.has('release')) {
      this.hub.emit('release', { pool: this.name, connection: slot.id, useMs })
    }
  }

  /**
   * What cannot be undone ends with the session: with a good-bye if nothing is under way, so that
   * its locks are gone before the next one.
   */
  #endSpoiled(slot: Slot, reason: string): void {
    if (slot.quiet && slot.connection!.transactionStatus() !== 'unknown') this.#retire(slot, reason)
    else this.#destroy(slot, reason)
    this.handOver.supply(this.now())
  }

  #clean(slot: Slot): void {
    slot.clean()
    clean(this, slot).then(
      () => {
        if (slot.state === 'cleaning') this.#reuse(slot, this.now())
      },
      (error: unknown) => this.#break(slot, `could not be cleaned: ${messageOf(error)}`),
    )
  }

  /** The connection is clean: retire it if its time has come, else hand it on. */
  #reuse(slot: Slot, now: number): void {
    const reason = this.#whyRetire(slot, now) ?? this.#whyGiveUp(slot)
    if (reason === undefined) {
      this.handOver.offer(slot, now)
    } else {
      this.#retire(slot, reason)
      this.handOver.supply(now)
    }
  }

  #whyRetire(slot: Slot, now: number): string | undefined {
    const needed =
      this.#state === 'open' || (this.#state === 'serving' && this.handOver.pending > 0)
    if (!needed) return 'the pool is closing'
    if (slot.era !== this.#era) return 'replaced'
    if (slot.expiresAt <= now) return 'maximum lifetime reached'
    if (slot.uses >= this.#config.maxUses) return 'maximum uses reached'
    const { max } = this.#config
    // Those that are leaving already make room too; they are counted only when it matters.
    const surplus = this.slots.size > max && this.slots.size - this.#count(CLOSING) > max
    return surplus ? 'the pool has shrunk' : undefined
  }

  #whyGiveUp({ uses }: Slot): string | undefined {
    // What was opened for somebody serves at least one, or two pools could pass a permit to and fro
    // and serve nobody.
    if (this.#seat === undefined || uses === 0 || this.slots.size <= this.#config.min)
      return undefined
    return this.#seat.owes() ? 'another pool is owed a connection' : undefined
  }

  #retireIdle(): void {
    const now = this.now()
    for (const slot of this.slots) {
      const reason = slot.state === 'idle' ? this.#whyRetire(slot, now) : undefined
      if (reason !== undefined) this.#retire(slot, reason)
    }
  }

  #retire(slot: Slot, reason: string): void {
    if (slot.state === 'idle') this.handOver.removeIdle(slot)
    slot.close(reason)
    const closing = slot.connection!.close(RETIRE_MS)
    withDeadline(this.clock, closing, RETIRE_MS + RETIRE_GRACE_MS, 'it did not close').then(
      () => {
        this.#lost(slot, reason)
        this.handOver.supply(this.now())
      },
      () => this.#break(slot, reason),
    )
  }

  #destroy(slot: Slot, reason: string): void {
    if (slot.state === 'gone') return
    this.#lost(slot, reason)
    if (slot.connection === undefined) this.#opening.abort(slot, new Error(reason))
    else slot.connection.destroy(new Error(reason))
  }

  /** Breaks a connection of the pool, and sees to those who wait, or a session beside the pool. */
  #break(slot: Slot, reason: string): void {
    if (this.slots.has(slot)) {
      this.#destroy(slot, reason)
      this.handOver.supply(this.now())
    } else if (slot.state !== 'gone') {
      slot.connection?.destroy(new Error(reason))
    }
  }

  /** The one place where a connection leaves the pool. */
  #lost(slot: Slot, reason: unknown): void {
    if (slot.state === 'gone') return
    if (slot.state === 'idle') this.handOver.removeIdle(slot)
    // A connect that was given up has never been a connection to anybody outside.
    const wasOpen = slot.state !== 'connecting'
    this.slots.delete(slot)
    slot.returnPermit()
    slot.lose(reason)
    if (wasOpen) {
      this.recorder.destroyed++
      this.hub.emit('destroy', {
        pool: this.name,
        connection: slot.id,
        reason: messageOf(slot.lostReason),
      })
    }
    this.#recycling.check(this.slots)
    this.#closing?.check()
    this.#dismissInVain()
  }

  /** The session ended without our doing. */
  ended(slot: Slot, reason: unknown): void {
    if (slot.state === 'gone') return
    if (this.#sessions.has(slot)) {
      this.#sessions.ended(slot, reason)
      return
    }
    const expected = slot.state === 'closing'
    this.#lost(slot, reason)
    if (expected) {
      this.handOver.supply(this.now())
      return
    }
    this.recorder.errors++
    // The others may have died with it and not know yet. That it could not be reset says nothing
    // about them.
    if (!isResetFailure(slot.lostReason)) this.handOver.suspect()
    this.handOver.supply(this.now())
  }

  // ── opening ──

  async #open(): Promise<boolean> {
    const slot = new Slot(++this.#lastId, this.#era, this.#seat)
    this.slots.add(slot)
    const startedAt = this.now()
    const open = (): Promise<void> =>
      this.#opening.open(slot, {
        timeoutMs: this.#config.connectTimeoutMs,
        settings: this.#config.settings,
        owner: this,
      })
    try {
      if (tracing.connect.hasSubscribers)
        await tracing.connect.tracePromise(open, { pool: this.name })
      else await open()
    } catch (error) {
      // No longer in the set: it was given up from our side, and nobody need know.
      if (!this.slots.delete(slot)) return false
      slot.returnPermit()
      this.#recycling.check(this.slots)
      this.#closing?.check()
      throw error
    }
    // Lost or destroyed between its last word and this line.
    if (!this.slots.has(slot)) return false
    this.#opened(slot, startedAt)
    return true
  }

  #poolerNoticed(sighting: PoolerSighting): void {
    for (const slot of this.slots) slot.poolerNoticed()
    this.#sessions.poolerNoticed()
    // Of the connections that exist, all but one leave when they are next idle; those under way
    // find the session taken.
    if (sighting.oneSession) this.apply(this.#config, false)
    const { name: pool } = this
    this.hub.emit('pooler', { pool, ...sighting, message: treatedAsPooler(sighting) })
  }

  committedLocally(slot: Slot, { message }: Notice): void {
    if (!this.hub.has('durability')) return
    const { name: pool } = this
    this.hub.emit('durability', { pool, connection: slot.id, durability: 'local', message })
  }

  #opened(slot: Slot, startedAt: number): void {
    const now = this.now()
    const { maxLifetimeMs, random } = this.#config
    const lifetimeMs =
      maxLifetimeMs > 0
        ? maxLifetimeMs * (1 - LIFETIME_JITTER * random())
        : Number.POSITIVE_INFINITY
    slot.serve(now + lifetimeMs)
    slot.trusted = this.handOver.suspicion
    this.recorder.created++
    this.recorder.create.record(now - startedAt)
    if (this.hub.has('connect')) {
      this.hub.emit('connect', {
        pool: this.name,
        connection: slot.id,
        createMs: now - startedAt,
        server: slot.server,
      })
    }
    for (const accepts of this.handOver.wishes()) this.#wishes.opened(slot, accepts)
    this.#reuse(slot, now)
    this.#dismissInVain()
    this.#checkWarm()
    this.wakeAt(Math.min(this.#maintenance.nextAt(now), this.#halfOpen.nextAt(now)))
  }

  #checkWarm(): void {
    const usable = this.#count(USABLE)
    // More than `max` will never come, whatever it was when somebody asked.
    this.#warming.opened(usable >= this.#config.max ? Number.POSITIVE_INFINITY : usable)
  }

  #count(states: ReadonlySet<SlotState>): number {
    let count = 0
    for (const { state } of this.slots) if (states.has(state)) count++
    return count
  }

  /**
   * Opens a session to an accepted server. Where the name leads to another one, an idle connection
   * is taken out of the pool for it.
   */
  async openSessionTo(accepts: AcceptsServer, options: SessionOptions): Promise<Session> {
    for (let tries = 0; tries < MOST_TRIES; tries++) {
      const session = await this.openSession(options)
      if (accepts(session.server)) return session
      void session.close()
      const slot = this.take(this.now(), accepts)
      if (slot !== undefined) return this.#adopt(slot)
    }
    throw elsewhereError(this.name, formatEndpoint(this.#config.settings.endpoint))
  }

  /** An idle connection becomes a session beside the pool. */
  #adopt(slot: Slot): Session {
    this.slots.delete(slot)
    const session = this.#sessions.adopt(slot)
    this.#seat?.outside(this.#sessions.size)
    this.recorder.destroyed++
    this.hub.emit('destroy', {
      pool: this.name,
      connection: slot.id,
      reason: 'it became a session of a monitor',
    })
    this.#dismissInVain()
    return session
  }

  async openSession(options: SessionOptions): Promise<Session> {
    if (this.#state !== 'open') throw new PoolClosedError(this.name)
    const opening = this.#sessions.open(this.#config, options)
    this.#seat?.outside(this.#sessions.size)
    const session = await opening
    this.#growth.reachable(this.now())
    this.#seat?.leadsTo?.(session.server)
    return session
  }

  async warm(count: number | undefined): Promise<void> {
    const { max, min } = this.#config
    const target = count ?? Math.max(1, min)
    checkNumber('warm', 'count', target, { min: 1, max, integer: true })
    if (this.#state !== 'open') throw new PoolClosedError(this.name)
    if (this.#count(USABLE) >= target) return
    const refusal = this.#growth.refusal(this.now())
    if (refusal !== undefined) throw refusal
    const warmed = this.#warming.add(target)
    this.#growth.step(this.now())
    await warmed
  }

  // ── control ──

  /**
   * Puts a new configuration into force; `replace` retires the connections made under the old one.
   */
  apply(config: PoolConfig, replace: boolean): void {
    if (replace) this.#moveSeat(config)
    this.#config = this.#poolers.sighting?.oneSession
      ? { ...config, max: 1, min: Math.min(config.min, 1) }
      : config
    if (replace) {
      this.#era++
      this.#connector.reconfigure(config)
      this.#servers.forget()
    }
    this.#growth.reconfigure(this.#config)
    this.#maintenance.reconfigure(this.#config)
    this.#retireIdle()
    this.#checkWarm()
    this.handOver.supply(this.now())
    this.wakeAt(Math.min(this.#maintenance.nextAt(this.now()), this.#halfOpen.nextAt(this.now())))
  }

  /**
   * Connections to another server count there; those to the former one count where they are until
   * they are gone.
   */
  #moveSeat(config: PoolConfig): void {
    const { host, port } = this.#config.settings.endpoint
    const to = config.settings.endpoint
    if (this.#seat === undefined || (host === to.host && port === to.port)) return
    this.#seat.leave()
    this.#seat = config.budget?.join(this.deadlocks.joined(this.#budgeted(to)))
  }

  recycle(): Promise<void> {
    this.#era++
    this.#retireIdle()
    this.handOver.supply(this.now())
    const done = this.#recycling.wait(this.#era)
    this.#recycling.check(this.slots)
    return done
  }

  /**
   * Destroys the connections to accepted servers, which are down; those who wait for one of them
   * learn of it.
   */
  destroyOnly(accepts: AcceptsServer, reason: string): void {
    for (const slot of [...this.slots]) {
      if (slot.connection !== undefined && accepts(slot.server)) this.#destroy(slot, reason)
    }
    const message = `the connections of pool "${this.name}" to one server were destroyed: ${reason}`
    this.handOver.dismiss(
      (wish) => wish === accepts,
      () => new ConnectionLostError(message, { executed: 'no' }),
    )
    this.#growth.step(this.now())
  }

  destroyAll(reason: string): void {
    for (const slot of [...this.slots]) this.#destroy(slot, reason)
    const message = `all connections of pool "${this.name}" were destroyed: ${reason}`
    this.#refuseWaiters(new ConnectionLostError(message, { executed: 'no' }))
    this.#growth.step(this.now())
  }

  cancel(slot: Slot): void {
    this.#quarantine.cancel(slot)
  }

  async close(options: CloseOptions): Promise<void> {
    const checked = readCloseOptions(options)
    if (this.#closing === undefined) {
      this.#state = checked.waiters === 'serve' ? 'serving' : 'closing'
      // Those who are refused anyway must not be given a connection first.
      if (checked.waiters === 'serve') this.handOver.resume()
      this.#warming.fail(new PoolClosedError(this.name))
      this.#halfOpen.stop()
      this.#closing = new PoolClosing(this.#closingHost(), checked)
    }
    await this.#closing.done
    this.#state = 'closed'
    this.#seat?.leave()
    this.#turnAway()
    this.deadlocks.stop()
    this.#timer.stop()
  }

  #turnAway(): void {
    if (this.#state === 'serving') this.#state = 'closing'
    this.#growth.stop()
    this.#refuseWaiters(new PoolClosedError(this.name))
    this.#opening.abortAll(new PoolClosedError(this.name))
  }

  #refuseWaiters(error: Error): void {
    this.#warming.fail(error)
    this.handOver.refuseAll(error)
    this.#closing?.check()
  }

  // ── background ──

  #tick(): void {
    const now = this.now()
    const { stackTraceLimit } = Error
    // The stack of a timer tells nobody anything, and thousands of them cost seconds.
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
    this.handOver.supply(now)
    this.wakeAt(
      Math.min(
        this.deadlines.nextAt(),
        this.#maintenance.nextAt(now),
        this.deadlocks.nextAt(now),
        this.#halfOpen.nextAt(now),
      ),
    )
  }

  wakeAt(time: number): void {
    if (this.#state !== 'closed') this.#timer.ensure(time)
  }

  #maintenanceHost(): ConstructorParameters<typeof Maintenance>[0] {
    return {
      slots: this.slots,
      retire: (slot, reason) => this.#retire(slot, reason),
      frozen: () => {
        this.handOver.suspect()
        // Names have aged meanwhile, and the clock may have stood still.
        this.#connector.statements.definitionsChanged()
      },
      checkLease: (slot, now) => this.#leaks.check(slot, now, this.#config.leakWarningMs),
    }
  }

  watchSilence(now: number): void {
    const { watchdog } = this.#config
    if (watchdog !== undefined) this.wakeAt(now + watchdog.silenceMs)
  }

  #halfOpenHost(): ConstructorParameters<typeof HalfOpenWatch>[0] {
    const { slots } = this
    const sessions = this.#sessions
    return {
      clock: this.clock,
      limits: () =>
        this.#state === 'open' && this.pooler === undefined ? this.#config.watchdog : undefined,
      *watched() {
        yield* slots
        yield* sessions.slots
      },
      open: (beside, signal) => this.#openBeside(beside, signal),
      turns: () => this.#seat?.turns,
      lost: (slot, reason) => this.#foundHalfOpen(slot, reason),
      wakeAt: (time) => this.wakeAt(time),
    }
  }

  /**
   * A connection outside `max`, to the very peer of another one: a name may lead to several
   * servers.
   */
  async #openBeside({ connection }: Slot, signal: AbortSignal): Promise<Slot> {
    const { settings, connectTimeoutMs, watchdog } = this.#config
    const address = connection?.info.address
    const opening = this.#sessions.openSlot({
      timeoutMs: Math.min(connectTimeoutMs, ASKING_MS + (watchdog?.timeoutMs ?? 0)),
      settings: (address === undefined
        ? settings
        : settings.withAddress(address)
      ).withApplicationName(WATCHDOG),
      signal,
    })
    this.#seat?.outside(this.#sessions.size)
    const slot = await opening
    slot.connection!.unref()
    return slot
  }

  #foundHalfOpen(slot: Slot, reason: string): void {
    this.recorder.errors++
    // Those that are idle may have vanished with it.
    this.handOver.suspect()
    this.#break(slot, reason)
    this.lineBroke?.()
  }

  #growthHost(): ConstructorParameters<typeof Growth>[0] {
    return {
      wanted: () => Math.max(this.#wantedToKeep(), this.handOver.wanted()),
      total: () => this.slots.size,
      permitted: () => this.#seat === undefined || this.#seat.take(),
      open: () => this.#open(),
      refuseWaiters: (error) => {
        // While connections work, waiting for one of them is not pointless.
        if (this.#count(USABLE) === 0) this.#refuseWaiters(error)
      },
      report: (error) => this.#report(error),
      wakeAt: (time) => this.wakeAt(time),
    }
  }

  #budgeted(endpoint: Endpoint = this.#config.settings.endpoint): BudgetedPool {
    const poolers = this.#poolers
    const spare = (): Slot | undefined => {
      const surplus = this.slots.size - this.#count(CLOSING) > this.#config.min
      return surplus ? this.handOver.longestIdle : undefined
    }
    return {
      name: this.name,
      endpoint,
      get pooler() {
        return poolers.inEffect
      },
      servers: () => serversInUse([...this.slots].map(({ server }) => server)),
      wanted: () => {
        const wanted = Math.max(this.#wantedToKeep(), this.handOver.wanted())
        return Math.max(0, Math.min(wanted, this.#config.max - this.slots.size))
      },
      idleSince: () => spare()?.idleSince,
      giveUpIdle: (reason) => {
        const slot = spare()
        if (slot !== undefined) this.#retire(slot, reason)
        return slot !== undefined
      },
      grow: () => this.#growth.step(this.now()),
    }
  }

  #handOverHost(): ConstructorParameters<typeof HandOver>[0] {
    return {
      clock: this.clock,
      deadlines: this.deadlines,
      timer: this.#timer,
      config: () => this.#config,
      overloaded: (reason) => this.#overloaded(reason),
      lent: (slot, now, waitMs) => this.lent(slot, now, waitMs),
      retire: (slot, reason) => this.#retire(slot, reason),
      destroy: (slot, reason) => this.#destroy(slot, reason),
      proved: (slot) => this.#reuse(slot, this.now()),
      connecting: () => this.#growth.connecting,
      grow: (now) => this.#growth.step(now),
    }
  }

  #deadlockHost(): ConstructorParameters<typeof DeadlockWatch>[0] {
    return {
      name: this.name,
      slots: this.slots,
      max: () => this.#config.max,
      min: () => this.#config.min,
      seat: () => this.#seat,
      now: () => this.now(),
      wakeAt: (time) => this.wakeAt(time),
      refuse: (waiter, error) => {
        this.handOver.leave(waiter)
        waiter.refuse(error)
        this.hub.emit('deadlock', { pool: this.name, error })
      },
    }
  }

  #closingHost(): ConstructorParameters<typeof PoolClosing>[0] {
    return {
      clock: this.clock,
      slots: this.slots,
      sessions: () => this.#sessions.size,
      cancels: () => this.#quarantine.requests,
      pending: () => this.handOver.pending,
      turnAway: () => this.#turnAway(),
      retireUnneeded: () => {
        this.#retireIdle()
        this.#sessions.closeAll(new PoolClosedError(this.name))
      },
      cancel: (slot) => {
        if (slot.occupant === undefined) this.cancel(slot)
        else slot.occupant.interrupt((executed) => new PoolClosedError(this.name, executed))
      },
      destroy: (slot, reason) => this.#destroy(slot, reason),
      destroySessions: (reason) => this.#sessions.destroyAll(reason),
    }
  }

  #wantedToKeep(): number {
    if (this.#state !== 'open') return 0
    return Math.max(this.#config.min, this.#warming.target) - this.slots.size
  }

  #leaked({ slot, heldMs, collected }: Leak): void {
    this.recorder.leaks++
    this.hub.emit('leak', {
      pool: this.name,
      connection: slot.id,
      heldMs,
      statement: slot.lastStatement,
      stack: slot.acquireStack?.stack,
      collected,
    })
    if (!collected) return
    // Nobody can give it back any more; what it still runs may be awaited by somebody, so that
    // comes to its end first.
    const { generation } = slot
    // A stream or copy holds its lease while somebody reads or feeds it.
    slot.occupant?.interrupt((executed) => new LeaseReleasedError(this.name, executed))
    void slot.whenQuiet().then(() => {
      if (slot.generation === generation) this.giveBack(slot)
    })
  }

  #report(error: unknown): void {
    this.recorder.errors++
    this.#warming.fail(error as Error)
    this.hub.emit('error', { pool: this.name, error })
  }

  // ── what calls and reports ask ──

  now(): number {
    return this.clock.now()
  }

  statementTimeoutMs(): number {
    return this.#config.statementTimeoutMs
  }

  countTimeout(): void {
    this.recorder.timeouts++
  }

  acquireTimeout(waitedMs: number): AcquireTimeoutError {
    const now = this.now()
    let longest: number | undefined
    for (const slot of this.slots) {
      if (slot.state === 'leased') longest = Math.max(longest ?? 0, now - slot.leasedAt)
    }
    const cause = this.#growth.lastError
    return new AcquireTimeoutError(
      waitedMs,
      this.gauges(),
      longest,
      cause,
      this.#seat?.shortage?.(),
    )
  }

  /** Whether callers are admitted. */
  get isOpen(): boolean {
    return this.#state === 'open'
  }

  gauges(): PoolGauges {
    const total = this.slots.size
    // Not growth's count of connects under way: that one falls a moment after a connection is lent
    // or given up.
    const connecting = this.#count(CONNECTING)
    const { idle, pending } = this.handOver
    return {
      pool: this.name,
      endpoint: formatEndpoint(this.#config.settings.endpoint),
      total,
      idle,
      leased: total - idle - connecting,
      connecting,
      pending,
      max: this.#config.max,
    }
  }
}

function messageOf(reason: unknown): string {
  return reason instanceof Error ? reason.message : String(reason)
}
