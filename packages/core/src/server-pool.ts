import { AsyncResource } from 'node:async_hooks'
import { AcquireCall, type AcquireHost } from './acquire-call.js'
import { checkAcquireOptions, checkQueryOptions, checkTimeout } from './call-options.js'
import { CLEANING_MS, clean, isClean, withDeadline } from './cleaning.js'
import type { Clock } from './clock.js'
import type { AcquireOptions, CloseOptions, ConnectionPool } from './connection-pool.js'
import { Connector } from './connector.js'
import { DeadlineQueue } from './deadline-queue.js'
import type { ConnectionListener, DriverConnection } from './driver.js'
import { type Endpoint, formatEndpoint } from './endpoint.js'
import {
  AbortError,
  AcquireTimeoutError,
  ConnectError,
  ConnectionLostError,
  LeaseReleasedError,
  PoolClosedError,
  type PoolGauges,
  PoolOverloadedError,
  TransactionError,
} from './errors.js'
import { EventHub, type PoolEventName, type PoolListener } from './events.js'
import { Growth } from './growth.js'
import { IdleStack } from './idle-stack.js'
import type { Lease } from './lease.js'
import { Maintenance } from './maintenance.js'
import { checkNumber, checkWord, refuseUnknownOptions } from './option-check.js'
import { type LeaseHost, PoolLease } from './pool-lease.js'
import {
  changePoolConfig,
  type PoolConfig,
  type ReconfigureOptions,
  type ResizeOptions,
} from './pool-options.js'
import { PoolTimer } from './pool-timer.js'
import { ServerSession } from './server-session.js'
import type { Session, SessionOptions } from './session.js'
import { Slot } from './slot.js'
import {
  type QueryOptions,
  type QueryResult,
  readQueryArguments,
  type Statement,
} from './statement.js'
import { type RunOwner, StatementRun } from './statement-run.js'
import { CONTROLS_TRANSACTION, traitsOf } from './statement-traits.js'
import type { LeaseSnapshot, PoolSnapshot, PoolStats } from './stats.js'
import { StatsRecorder } from './stats-recorder.js'
import type { Transaction, TransactionOptions } from './transaction.js'
import { runTransaction } from './transaction-runner.js'
import { type Waiter, WaitQueue } from './wait-queue.js'
import { Warming } from './warming.js'

const CLOSE_MS = 10_000
const RETIRE_MS = 2_000
const VALIDATE_MS = 1_000
const CANCEL_MS = 1_000
const EXPIRE_AT_ONCE = 1_000
const LIFETIME_JITTER = 0.1
const CLOSE_OPTIONS: ReadonlySet<string> = new Set(['timeoutMs', 'waiters'])
const SESSION_OPTIONS: ReadonlySet<string> = new Set(['timeoutMs', 'signal', 'applicationName'])
const SIZE_OPTIONS: ReadonlySet<string> = new Set(['max', 'min'])
// Reported by the server about itself; no borrower can leave them behind.
const SERVER_STATE: ReadonlySet<string> = new Set(['in_hot_standby', 'is_superuser'])

/**
 * A pool of connections to one server. It only orchestrates: who waits is owned by the wait queue, what is idle by the idle
 * stack, what is opened by growth, what is due by the deadline queue and maintenance. Every state change is synchronous and
 * runs no user code.
 */
export class ServerPool implements ConnectionPool, LeaseHost, AcquireHost, RunOwner {
  readonly slots: Set<Slot> = new Set()
  readonly deadlines: DeadlineQueue = new DeadlineQueue()
  readonly #context = new AsyncResource('PoolhousePool', { requireManualDestroy: true })
  readonly #clock: Clock
  readonly #hub = new EventHub()
  readonly #recorder = new StatsRecorder()
  readonly #waiters = new WaitQueue()
  readonly #idle = new IdleStack()
  readonly #sessions = new Set<Slot>()
  readonly #growth: Growth
  readonly #maintenance: Maintenance
  readonly #connector: Connector
  readonly #timer: PoolTimer
  readonly #warming = new Warming()
  readonly #connectAborts = new Map<Slot, AbortController>()
  #config: PoolConfig
  #era = 0
  #suspicion = 0
  #lastId = 0
  #validating = 0
  #suspended = false
  #state: 'open' | 'closing' | 'closed' = 'open'
  #serveWaiters = false
  #closing: Promise<void> | undefined
  #onEmpty: (() => void) | undefined
  #recycled: { era: number; resolve: () => void }[] = []

  /** Takes checked options; `createPool` is the public way. */
  constructor(config: PoolConfig) {
    this.#config = config
    // Timers and sessions belong to the pool, not to the request that happened to cause them.
    const { clock } = config
    this.#clock = {
      now: () => clock.now(),
      wallNow: () => clock.wallNow(),
      setTimer: (fire, delayMs, options) =>
        this.#context.runInAsyncScope(() => clock.setTimer(fire, delayMs, options)),
      afterIo: (fire) => clock.afterIo(fire),
    }
    this.#connector = new Connector({ ...config, clock: this.#clock }, this.#context)
    this.#timer = new PoolTimer(this.#clock, () => this.#tick())
    this.#maintenance = new Maintenance(this.#maintenanceHost(), config)
    this.#growth = new Growth(
      {
        wanted: () => this.#wanted(),
        total: () => this.slots.size,
        open: () => this.#open(),
        refuseWaiters: (error) => this.#refuseWaiters(error),
        report: (error) => this.#report(error),
        wakeAt: (time) => this.wakeAt(time),
      },
      { ...config, clock: this.#clock },
    )
    if (config.min > 0) this.#growth.step(this.now())
  }

  get name(): string {
    return this.#config.name
  }

  get endpoint(): Endpoint {
    return this.#config.settings.endpoint
  }

  get clock(): Clock {
    return this.#clock
  }

  // ── calls ────────────────────────────────────────────────────────────────────────────────────────────────────────

  query<Row = Record<string, unknown>>(
    first: string | Statement,
    second?: readonly unknown[] | QueryOptions,
    third?: QueryOptions,
  ): Promise<QueryResult<Row>> {
    return new Promise((resolve, reject) => {
      const { statement, options } = readQueryArguments(first, second, third)
      if (options !== undefined) checkQueryOptions(options)
      if (options?.signal?.aborted) throw new AbortError(options.signal.reason, 'no')
      if ((traitsOf(statement.text) & CONTROLS_TRANSACTION) !== 0)
        throw controlsTransaction('pool.query')
      const now = this.now()
      const run = new StatementRun(this, this, statement, options, now, resolve, reject)
      const slot = this.#take(now)
      if (slot === undefined) this.#wait(run, now, options?.timeoutMs)
      else this.#lend(slot, run, now, 0)
    })
  }

  acquire(options?: AcquireOptions): Promise<Lease> {
    if (options === undefined) {
      const now = this.now()
      const slot = this.#take(now)
      if (slot !== undefined) return Promise.resolve(this.#leaseNow(slot, now))
    }
    return new Promise((resolve, reject) => {
      if (options !== undefined) checkAcquireOptions(options)
      const { timeoutMs, signal, priority = 0 } = options ?? {}
      if (signal?.aborted) throw new AbortError(signal.reason, 'no')
      const now = this.now()
      const slot = this.#take(now)
      if (slot !== undefined) resolve(this.#leaseNow(slot, now))
      else this.#wait(new AcquireCall(this, priority, signal, resolve, reject), now, timeoutMs)
    })
  }

  tryAcquire(): Lease | undefined {
    const now = this.now()
    const slot = this.#take(now)
    return slot && this.#leaseNow(slot, now)
  }

  async use<R>(work: (lease: Lease) => Promise<R>, options?: AcquireOptions): Promise<R> {
    const lease = await this.acquire(options)
    try {
      return await work(lease)
    } finally {
      if ((lease as PoolLease).valid) lease.release()
    }
  }

  transaction<R>(work: (tx: Transaction) => Promise<R>, options?: TransactionOptions): Promise<R> {
    return runTransaction(this, this.#clock, this.#config.random, work, options)
  }

  // ── hand-over ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** The hottest idle connection, if it needs no proof and nobody has waited longer. */
  #take(now: number): Slot | undefined {
    if (this.#state !== 'open' || this.#suspended || this.#waiters.size > 0) return undefined
    if (this.#maintenance.isDue(now)) this.#maintenance.checkFreeze(now)
    let slot = this.#idle.top
    while (slot !== undefined && slot.expiresAt <= now) {
      this.retire(slot, 'maximum lifetime reached')
      slot = this.#idle.top
    }
    if (slot === undefined || this.#mustProve(slot, now)) return undefined
    this.#idle.remove(slot)
    slot.connection!.ref()
    return slot
  }

  #mustProve(slot: Slot, now: number): boolean {
    return slot.trusted < this.#suspicion || now - slot.idleSince > this.#config.validateAfterIdleMs
  }

  #leaseNow(slot: Slot, now: number): Lease {
    this.#markLeased(slot, now, 0)
    return this.lease(slot)
  }

  #lend(slot: Slot, waiter: Waiter, now: number, waitMs: number): void {
    this.#markLeased(slot, now, waitMs)
    waiter.receive(slot, now)
  }

  #markLeased(slot: Slot, now: number, waitMs: number): void {
    slot.state = 'leased'
    slot.leasedAt = now
    slot.leakReported = false
    slot.uses++
    this.#recorder.acquired++
    this.#recorder.wait.record(waitMs)
    if (this.#hub.has('acquire')) {
      this.#hub.emit('acquire', { pool: this.name, connection: slot.id, waitMs })
    }
  }

  lease(slot: Slot): Lease {
    return new PoolLease(this, slot)
  }

  /** A clean connection is free: the next waiter gets it in the same tick, or it becomes idle. */
  #offer(slot: Slot, now: number): void {
    const waiter = this.#suspended ? undefined : this.#waiters.shift()
    if (waiter !== undefined) {
      if (this.#waiters.size === 0) this.#timer.keepAlive(false)
      this.#lend(slot, waiter, now, now - waiter.enqueuedAt)
      return
    }
    slot.state = 'idle'
    slot.idleSince = now
    slot.connection!.unref()
    this.#idle.push(slot)
    const { idleTimeoutMs } = this.#config
    this.wakeAt(now + (idleTimeoutMs > 0 && idleTimeoutMs < 1_000 ? idleTimeoutMs : 1_000))
  }

  #wait(waiter: Waiter, now: number, timeoutMs: number | undefined): void {
    const refusal = this.#whyRefuse(now)
    if (refusal !== undefined) {
      waiter.refuse(refusal)
      return
    }
    waiter.enqueuedAt = now
    this.#waiters.push(waiter)
    const limit = timeoutMs ?? this.#config.acquireTimeoutMs
    this.deadlines.add(waiter, now, limit)
    if (this.#waiters.size === 1) this.#timer.keepAlive(true)
    this.wakeAt(now + limit)
    this.#supply(now)
  }

  #whyRefuse(now: number): Error | undefined {
    if (this.#state !== 'open') return new PoolClosedError(this.name)
    const { maxPending } = this.#config
    if (this.#waiters.size >= maxPending) {
      this.#hub.emit('overload', { pool: this.name, pending: this.#waiters.size })
      return new PoolOverloadedError(`maxPending is ${maxPending}`, this.gauges())
    }
    return this.slots.size === 0 ? this.#growth.refusal(now) : undefined
  }

  /** Starts what will serve the waiters: idle connections that must prove themselves first, new ones after that. */
  #supply(now: number): void {
    if (!this.#suspended) {
      while (this.#waiters.size > this.#validating + this.#growth.connecting) {
        const slot = this.#idle.top
        if (slot === undefined) break
        this.#idle.remove(slot)
        slot.connection!.ref()
        if (this.#mustProve(slot, now)) this.#validate(slot)
        else this.#offer(slot, now)
      }
    }
    this.#growth.step(now)
  }

  #wanted(): number {
    const { min } = this.#config
    const kept = this.#state === 'open' ? Math.max(min, this.#warming.target) - this.slots.size : 0
    if (this.#suspended) return kept
    return Math.max(kept, this.#waiters.size - this.#validating - this.#growth.connecting)
  }

  #validate(slot: Slot): void {
    slot.state = 'validating'
    this.#validating++
    const suspicion = this.#suspicion
    withDeadline(this.#clock, slot.connection!.ping(), VALIDATE_MS, 'it did not answer').then(
      () => {
        this.#validating--
        if (slot.state !== 'validating') return
        slot.trusted = suspicion
        this.#reuse(slot, this.now())
      },
      (error: unknown) => {
        this.#validating--
        // One dead connection casts doubt on all that have been idle as long.
        this.#suspicion++
        this.#destroySlot(slot, `failed its check: ${messageOf(error)}`)
        this.#supply(this.now())
      },
    )
  }

  // ── the way back ─────────────────────────────────────────────────────────────────────────────────────────────────

  /** A statement run by `query()` itself is over: its connection comes back. */
  finished(_run: StatementRun, slot: Slot): void {
    this.giveBack(slot)
  }

  giveBack(slot: Slot): void {
    const now = this.now()
    this.#endLease(slot, now)
    if (slot.state !== 'leased') return
    if (isClean(slot)) this.#reuse(slot, now)
    else this.#clean(slot)
  }

  discard(slot: Slot, reason: string): void {
    this.#endLease(slot, this.now())
    this.#destroySlot(slot, reason)
    this.#supply(this.now())
  }

  releasedAgain(slot: Slot): void {
    this.#hub.emit('release', { pool: this.name, connection: slot.id, useMs: 0, again: true })
  }

  #endLease(slot: Slot, now: number): void {
    slot.generation++
    const useMs = now - slot.leasedAt
    this.#recorder.released++
    this.#recorder.use.record(useMs)
    slot.acquireStack = undefined
    if (slot.abort !== undefined) {
      const { abort } = slot
      slot.abort = undefined
      // Listeners of a lease's signal are user code: never inside a state change.
      if (slot.state !== 'gone')
        queueMicrotask(() => abort.abort(new LeaseReleasedError(this.name)))
    }
    if (this.#hub.has('release')) {
      this.#hub.emit('release', { pool: this.name, connection: slot.id, useMs })
    }
  }

  #clean(slot: Slot): void {
    slot.state = 'cleaning'
    clean(this, slot).then(
      () => {
        if (slot.state === 'cleaning') this.#reuse(slot, this.now())
      },
      (error: unknown) => {
        this.#destroySlot(slot, `could not be cleaned: ${messageOf(error)}`)
        this.#supply(this.now())
      },
    )
  }

  /** The connection is clean: retire it if its time has come, else hand it on. */
  #reuse(slot: Slot, now: number): void {
    const reason = this.#whyRetire(slot, now)
    if (reason === undefined) {
      this.#offer(slot, now)
      return
    }
    this.retire(slot, reason)
    this.#supply(now)
  }

  #whyRetire(slot: Slot, now: number): string | undefined {
    if (this.#state !== 'open' && !(this.#serveWaiters && this.#waiters.size > 0))
      return 'the pool is closing'
    if (slot.era !== this.#era) return 'replaced'
    if (slot.expiresAt <= now) return 'maximum lifetime reached'
    if (slot.uses >= this.#config.maxUses) return 'maximum uses reached'
    if (this.slots.size > this.#config.max) return 'the pool has shrunk'
    return undefined
  }

  retire(slot: Slot, reason: string): void {
    if (slot.state === 'idle') this.#idle.remove(slot)
    slot.state = 'closing'
    slot.lostReason = reason
    const { connection } = slot
    connection!.close(RETIRE_MS).then(
      () => this.#lost(slot, reason),
      () => this.#destroySlot(slot, reason),
    )
  }

  #destroySlot(slot: Slot, reason: string): void {
    if (slot.state === 'gone') return
    this.#lost(slot, reason)
    slot.connection?.destroy(new Error(reason))
  }

  /** The one place where a connection leaves the pool. */
  #lost(slot: Slot, reason: unknown): void {
    if (slot.state === 'gone') return
    const { state } = slot
    if (state === 'idle') this.#idle.remove(slot)
    slot.state = 'gone'
    slot.lostReason ??= reason
    this.slots.delete(slot)
    this.#recorder.destroyed++
    if (slot.abort !== undefined) {
      const { abort } = slot
      queueMicrotask(() => abort.abort(reason))
    }
    slot.recheckQuiet()
    this.#hub.emit('destroy', { pool: this.name, connection: slot.id, reason: messageOf(reason) })
    this.#settleRecycled()
    if (this.slots.size === 0) this.#onEmpty?.()
  }

  /** The session ended without our doing. */
  #lostByServer(slot: Slot, reason: unknown): void {
    if (slot.state === 'gone') return
    const expected = slot.state === 'closing'
    this.#lost(slot, reason)
    if (expected) return
    this.#recorder.errors++
    // The others may have died with it and not know yet.
    this.#suspicion++
    this.#supply(this.now())
  }

  // ── opening ──────────────────────────────────────────────────────────────────────────────────────────────────────

  async #open(): Promise<boolean> {
    const slot = new Slot(++this.#lastId, this.#era)
    const abort = new AbortController()
    this.slots.add(slot)
    this.#connectAborts.set(slot, abort)
    const startedAt = this.now()
    let connection: DriverConnection
    try {
      connection = await this.#connector.connect(
        this.#listener(slot),
        abort.signal,
        this.#config.connectTimeoutMs,
      )
    } catch (error) {
      const wanted = slot.state !== 'gone'
      slot.state = 'gone'
      this.slots.delete(slot)
      if (this.slots.size === 0) this.#onEmpty?.()
      if (!wanted) return false
      throw error
    } finally {
      this.#connectAborts.delete(slot)
    }
    if (slot.state === 'gone') {
      connection.destroy(new Error('no longer wanted'))
      if (slot.lostReason === undefined) return false
      const endpoint = formatEndpoint(this.endpoint)
      throw new ConnectError(
        `${endpoint} closed the connection at once: ${messageOf(slot.lostReason)}`,
        {
          endpoint,
          cause: slot.lostReason,
        },
      )
    }
    this.#opened(slot, connection, startedAt)
    return true
  }

  #opened(slot: Slot, connection: DriverConnection, startedAt: number): void {
    const now = this.now()
    slot.connection = connection
    slot.bornAt = now
    const { maxLifetimeMs, random } = this.#config
    if (maxLifetimeMs > 0) slot.expiresAt = now + maxLifetimeMs * (1 - LIFETIME_JITTER * random())
    slot.trusted = this.#suspicion
    this.#recorder.created++
    this.#recorder.create.record(now - startedAt)
    if (this.#hub.has('connect')) {
      this.#hub.emit('connect', { pool: this.name, connection: slot.id, createMs: now - startedAt })
    }
    this.#reuse(slot, now)
    this.#warming.opened(this.slots.size - this.#growth.connecting + 1)
  }

  #listener(slot: Slot): ConnectionListener {
    const baseline = new Map<string, string>()
    return {
      closed: (reason) => {
        if (slot.connection === undefined) {
          slot.state = 'gone'
          slot.lostReason ??= reason
          return
        }
        this.#lostByServer(slot, reason)
      },
      notice: () => {},
      notification: () => {},
      parameter: (name, value) => {
        if (slot.connection === undefined) {
          baseline.set(name, value)
        } else if (baseline.get(name) !== value && !SERVER_STATE.has(name)) {
          slot.drifted ??= new Set()
          slot.drifted.add(name)
        } else {
          slot.drifted?.delete(name)
        }
      },
    }
  }

  async openSession(options: SessionOptions = {}): Promise<Session> {
    refuseUnknownOptions('openSession', options, SESSION_OPTIONS)
    if (options.timeoutMs !== undefined) checkTimeout('openSession', options.timeoutMs)
    if (this.#state !== 'open') throw new PoolClosedError(this.name)
    const slot = new Slot(++this.#lastId, this.#era)
    const ended = (reason: unknown): void => {
      slot.state = 'gone'
      slot.lostReason ??= reason
      this.#sessions.delete(slot)
      slot.abort?.abort(reason)
      slot.recheckQuiet()
      if (this.slots.size === 0) this.#onEmpty?.()
    }
    const abort = new AbortController()
    this.#connectAborts.set(slot, abort)
    const signals = options.signal === undefined ? [abort.signal] : [abort.signal, options.signal]
    const { settings } = this.#config
    try {
      slot.connection = await this.#connector.connect(
        { closed: ended, notice: () => {}, notification: () => {}, parameter: () => {} },
        signals.length === 1 ? abort.signal : AbortSignal.any(signals),
        options.timeoutMs ?? this.#config.connectTimeoutMs,
        options.applicationName === undefined
          ? settings
          : settings.withApplicationName(options.applicationName),
      )
    } catch (error) {
      if (options.signal?.aborted) throw new AbortError(options.signal.reason, 'no')
      throw error
    } finally {
      this.#connectAborts.delete(slot)
    }
    slot.state = 'leased'
    this.#sessions.add(slot)
    this.#growth.reachable(this.now())
    return new ServerSession(this, slot)
  }

  async warm(count?: number): Promise<void> {
    const { max, min } = this.#config
    const target = count ?? Math.max(1, min)
    checkNumber('warm', 'count', target, { min: 1, max, integer: true })
    if (this.#state !== 'open') throw new PoolClosedError(this.name)
    const open = this.slots.size - this.#growth.connecting
    if (open >= target) return
    const refusal = this.#growth.refusal(this.now())
    if (refusal !== undefined) throw refusal
    const warmed = this.#warming.add(target)
    this.#growth.step(this.now())
    await warmed
  }

  // ── control ──────────────────────────────────────────────────────────────────────────────────────────────────────

  resize(sizes: ResizeOptions): void {
    refuseUnknownOptions('resize', sizes, SIZE_OPTIONS)
    this.#apply(changePoolConfig('resize', this.#config, sizes))
  }

  reconfigure(options: ReconfigureOptions): void {
    const config = changePoolConfig('reconfigure', this.#config, options)
    if (options.connection !== undefined) {
      this.#era++
      this.#connector.reconfigure({ ...config, clock: this.#clock })
    }
    this.#apply(config)
  }

  #apply(config: PoolConfig): void {
    this.#config = config
    this.#growth.reconfigure({ ...config, clock: this.#clock })
    this.#maintenance.reconfigure(config)
    const now = this.now()
    this.#retireIdle((slot) => this.#whyRetire(slot, now))
    this.#supply(now)
    this.wakeAt(this.#maintenance.nextAt(now))
  }

  #retireIdle(why: (slot: Slot) => string | undefined): void {
    for (const slot of this.slots) {
      const reason = slot.state === 'idle' ? why(slot) : undefined
      if (reason !== undefined) this.retire(slot, reason)
    }
  }

  suspend(): void {
    this.#suspended = true
  }

  resume(): void {
    if (!this.#suspended) return
    this.#suspended = false
    this.#supply(this.now())
  }

  recycle(): Promise<void> {
    this.#era++
    this.#retireIdle(() => 'replaced')
    this.#supply(this.now())
    return new Promise((resolve) => {
      this.#recycled.push({ era: this.#era, resolve })
      this.#settleRecycled()
    })
  }

  #settleRecycled(): void {
    if (this.#recycled.length === 0) return
    let oldest = Number.POSITIVE_INFINITY
    for (const slot of this.slots) oldest = Math.min(oldest, slot.era)
    this.#recycled = this.#recycled.filter(({ era, resolve }) => {
      if (oldest < era) return true
      resolve()
      return false
    })
  }

  suspect(_reason: string): void {
    this.#suspicion++
  }

  destroyAll(reason: string): void {
    for (const abort of this.#connectAborts.values()) abort.abort(new Error(reason))
    for (const slot of [...this.slots]) this.#destroySlot(slot, reason)
    this.#refuseWaiters(
      new ConnectionLostError(`all connections of pool "${this.name}" were destroyed: ${reason}`, {
        executed: 'no',
      }),
    )
    this.#growth.step(this.now())
  }

  silentForMs(): number {
    const now = this.now()
    let longest = 0
    for (const { connection, sentAt } of this.slots) {
      if (connection !== undefined && connection.inFlight > 0) {
        longest = Math.max(longest, now - Math.max(connection.lastByteAt, sentAt))
      }
    }
    return longest
  }

  cancel(slot: Slot): void {
    if (slot.cancelling !== undefined || slot.state === 'gone') return
    const cancelling = withDeadline(
      this.#clock,
      slot.connection!.cancel(CANCEL_MS),
      CANCEL_MS + CANCEL_MS / 2,
      'the cancel request was not confirmed',
    )
    slot.cancelling = cancelling.then(
      () => this.#awaitCancelled(slot),
      (error: unknown) => {
        // Whether it will still arrive is unknown, so the session cannot be trusted with another statement.
        slot.cancelling = undefined
        this.#destroyAnySlot(slot, `its cancel request failed: ${messageOf(error)}`)
      },
    )
  }

  #awaitCancelled(slot: Slot): void {
    slot.cancelling = undefined
    slot.recheckQuiet()
    if ((slot.connection?.inFlight ?? 0) === 0) return
    // The server has the request; a statement that does not end now is beyond it.
    const { sentAt } = slot
    this.#clock.setTimer(() => {
      if (slot.state !== 'gone' && slot.sentAt === sentAt && (slot.connection?.inFlight ?? 0) > 0) {
        this.#destroyAnySlot(slot, 'its statement did not end after a cancel request')
      }
    }, CLEANING_MS)
  }

  #destroyAnySlot(slot: Slot, reason: string): void {
    if (this.slots.has(slot)) {
      this.#destroySlot(slot, reason)
      this.#supply(this.now())
    } else {
      slot.connection?.destroy(new Error(reason))
    }
  }

  // ── ends ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  close(options: CloseOptions = {}): Promise<void> {
    this.#closing ??= this.#close(options)
    return this.#closing
  }

  async #close(options: CloseOptions): Promise<void> {
    refuseUnknownOptions('close', options, CLOSE_OPTIONS)
    const timeoutMs = checkNumber('close', 'timeoutMs', options.timeoutMs ?? CLOSE_MS, {
      min: 0,
      max: 0x7fffffff,
    })
    const waiters = checkWord('close', 'waiters', options.waiters ?? 'reject', ['reject', 'serve'])
    this.#state = 'closing'
    this.#suspended = false
    this.#serveWaiters = waiters === 'serve'
    this.#warming.fail(new PoolClosedError(this.name))
    if (!this.#serveWaiters) {
      this.#growth.stop()
      this.#refuseWaiters(new PoolClosedError(this.name))
      for (const abort of this.#connectAborts.values()) abort.abort(new PoolClosedError(this.name))
    }
    this.#retireIdle((slot) => this.#whyRetire(slot, this.now()))
    for (const slot of this.#sessions) void slot.connection!.close(RETIRE_MS).catch(() => {})
    const empty = new Promise<void>((resolve) => {
      this.#onEmpty = () => {
        if (this.slots.size === 0 && this.#sessions.size === 0) resolve()
      }
      this.#onEmpty()
    })
    const force = this.#clock.setTimer(() => this.#force(), timeoutMs, { keepAlive: true })
    await empty
    force.cancel()
    this.#state = 'closed'
    this.#growth.stop()
    this.#refuseWaiters(new PoolClosedError(this.name))
    this.#timer.stop()
  }

  /** The deadline of `close` has passed: what still runs is cancelled, and half a second later destroyed. */
  #force(): void {
    this.#serveWaiters = false
    this.#growth.stop()
    this.#refuseWaiters(new PoolClosedError(this.name))
    for (const abort of this.#connectAborts.values()) abort.abort(new PoolClosedError(this.name))
    let busy = false
    for (const slot of this.slots) {
      if ((slot.connection?.inFlight ?? 0) > 0 && slot.state === 'leased') {
        busy = true
        this.cancel(slot)
      } else {
        this.#destroySlot(slot, 'the pool is closing')
      }
    }
    const destroyRest = (): void => {
      for (const slot of [...this.slots]) this.#destroySlot(slot, 'the pool is closing')
      for (const slot of [...this.#sessions])
        slot.connection!.destroy(new Error('the pool is closing'))
    }
    if (busy) this.#clock.setTimer(destroyRest, 500, { keepAlive: true })
    else destroyRest()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #refuseWaiters(error: Error): void {
    this.#warming.fail(error)
    this.#timer.keepAlive(false)
    for (let waiter = this.#waiters.shift(); waiter !== undefined; waiter = this.#waiters.shift()) {
      waiter.refuse(error)
    }
  }

  // ── background ───────────────────────────────────────────────────────────────────────────────────────────────────

  #maintenanceHost(): ConstructorParameters<typeof Maintenance>[0] {
    return {
      slots: this.slots,
      retire: (slot, reason) => this.retire(slot, reason),
      frozen: () => this.suspect('the process was frozen'),
      leaked: (slot, heldMs) => {
        this.#recorder.leaks++
        this.#hub.emit('leak', {
          pool: this.name,
          connection: slot.id,
          heldMs,
          stack: slot.acquireStack,
          statement: slot.lastStatement,
          collected: false,
        })
      },
    }
  }

  #tick(): void {
    const now = this.now()
    const { stackTraceLimit } = Error
    // The stack of a timer tells nobody anything, and thousands of them cost seconds.
    Error.stackTraceLimit = 0
    const more = this.deadlines.expire(now, EXPIRE_AT_ONCE)
    Error.stackTraceLimit = stackTraceLimit
    this.#maintenance.sweep(now)
    this.#supply(now)
    if (more) this.#clock.afterIo(() => this.#tick())
    this.wakeAt(Math.min(this.deadlines.nextAt(), this.#maintenance.nextAt(now)))
  }

  wakeAt(time: number): void {
    if (this.#state !== 'closed') this.#timer.ensure(time)
  }

  leaveQueue(waiter: Waiter): void {
    this.#waiters.remove(waiter)
    if (this.#waiters.size === 0) this.#timer.keepAlive(false)
  }

  #report(error: unknown): void {
    this.#recorder.errors++
    this.#warming.fail(error as Error)
    this.#hub.emit('error', { pool: this.name, error })
  }

  // ── what others see ──────────────────────────────────────────────────────────────────────────────────────────────

  now(): number {
    return this.#clock.now()
  }

  statementTimeoutMs(): number {
    return this.#config.statementTimeoutMs
  }

  countTimeout(): void {
    this.#recorder.timeouts++
  }

  acquireTimeout(waitedMs: number): AcquireTimeoutError {
    const now = this.now()
    let longest: number | undefined
    for (const slot of this.slots) {
      if (slot.state === 'leased') longest = Math.max(longest ?? 0, now - slot.leasedAt)
    }
    return new AcquireTimeoutError(waitedMs, this.gauges(), longest, this.#growth.lastError)
  }

  gauges(): PoolGauges {
    const total = this.slots.size
    const { connecting } = this.#growth
    const idle = this.#idle.size
    return {
      pool: this.name,
      endpoint: formatEndpoint(this.endpoint),
      total,
      idle,
      leased: total - idle - connecting,
      connecting,
      pending: this.#waiters.size,
      max: this.#config.max,
    }
  }

  stats(): PoolStats {
    return this.#recorder.snapshot(this.gauges())
  }

  inspect(): PoolSnapshot {
    const now = this.now()
    const leases: LeaseSnapshot[] = []
    for (const slot of this.slots) {
      if (slot.state === 'leased') leases.push(snapshotOf(slot, now))
    }
    const { lastError } = this.#growth
    return Object.freeze({
      name: this.name,
      endpoint: formatEndpoint(this.endpoint),
      leases: Object.freeze(leases),
      lastConnectError: lastError === undefined ? undefined : messageOf(lastError),
    })
  }

  on<Name extends PoolEventName>(event: Name, listener: PoolListener<Name>): this {
    this.#hub.on(event, listener)
    return this
  }

  off<Name extends PoolEventName>(event: Name, listener: PoolListener<Name>): this {
    this.#hub.off(event, listener)
    return this
  }
}

function snapshotOf(slot: Slot, now: number): LeaseSnapshot {
  const connection = slot.connection!
  const status = connection.transactionStatus()
  return Object.freeze({
    connection: slot.id,
    backendPid: connection.info.backendPid,
    heldMs: now - slot.leasedAt,
    state: connection.inFlight > 0 ? 'busy' : status === 'idle' ? 'idle' : 'idle in transaction',
    statement: slot.lastStatement,
    stack: slot.acquireStack,
  })
}

function messageOf(reason: unknown): string {
  return reason instanceof Error ? reason.message : String(reason)
}

/** The error for BEGIN, COMMIT and their like where no connection is held. */
export function controlsTransaction(where: string): TransactionError {
  return new TransactionError(
    `${where} cannot begin or end a transaction, because each call may use another connection; use pool.transaction(work), or pool.use(work) for full control`,
  )
}
