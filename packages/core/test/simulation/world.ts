import {
  type ConnectionBudget,
  type ConnectionPool,
  createPool,
  isPoolhouseError,
  type Lease,
  type Session,
} from '../../src/index.js'
import { SeededRandom, type VirtualClock, virtualClock } from '../../src/testing/index.js'
import { FakeServer } from './fake-server.js'
import { CONFIRM_MS, DEADLOCK_MS } from './limits.js'
import { mostShared, type Sharing, sharing } from './sharing.js'

/** One promise that the pool has given, and when it must be kept. */
export interface Call {
  readonly id: number
  readonly kind: string
  /**
   * Priority of a call that stands in the queue and whose turn can be seen; undefined for others.
   */
  readonly priority: number | undefined
  readonly abort: AbortController | undefined
  dueAt: number
  settled: boolean
  /** Whether it has been given its connection. */
  readonly served: () => boolean
}

/** A lease the schedule holds. */
export interface HeldLease {
  readonly id: number
  readonly lease: Lease
  readonly pid: number
}

/**
 * Timers may fire up to a millisecond late by rounding; everything else is slack that no run should
 * need.
 */
const SLACK_MS = 3
/** A second of idleness, which the pool looks for once a second. */
const REST_MS = 2_100

/** A budget with permits enough, where another pool is owed one now and then. */
function demanding(random: SeededRandom): ConnectionBudget {
  return {
    join: () => ({
      take: () => true,
      owes: () => random.chance(0.1),
      giveBack: () => {},
      outside: () => {},
      leave: () => {},
    }),
  }
}

/** One pool, its server, and everything that has been asked of it. */
export class World {
  readonly random: SeededRandom
  readonly clock: VirtualClock = virtualClock()
  readonly server: FakeServer
  readonly pool: ConnectionPool
  readonly options: Record<
    'acquireTimeoutMs' | 'statementTimeoutMs' | 'connectTimeoutMs' | 'maxPending',
    number
  >
  readonly calls: Set<Call> = new Set()
  readonly leases: HeldLease[] = []
  readonly ended: Lease[] = []
  readonly sessions: Session[] = []
  readonly busySessions: Set<Session> = new Set()
  readonly aborts: AbortController[] = []
  /**
   * What failed calls said about the outcome, to be compared with the server's books at the end.
   */
  readonly verdicts: { who: string; executed: string; fate: () => string }[] = []
  readonly log: string[] = []
  max: number
  /** How callers share connections. */
  multiplex: Sharing
  /** Whether most of what is called may share a connection. */
  readonly sharesMost: boolean
  /** Connections allowed above `max` until a shrink has taken effect. */
  surplus = 0
  suspended = false
  closing = false
  /** Whether the pool is closing and refuses new calls. */
  refusing = false
  /** Sessions being opened. */
  opening = 0
  /** Timers of the schedule itself. */
  sleeping = 0
  /** Work that holds a connection and waits for another one. */
  readonly nestedWaits: Set<{ readonly since: number }> = new Set()
  /** Deadlocks that the pool has ended. */
  deadlocks = 0
  /** Callers that were refused to shed load. */
  shed = 0
  /** Connections reported as leaked. */
  leaks = 0
  lastId = 0
  #stalledAt = 0
  readonly #unserved = new Set<Call>()

  constructor(seed: number) {
    const random = new SeededRandom(seed)
    this.random = random
    this.server = new FakeServer(this.clock, random)
    this.max = random.int(1, 4)
    this.multiplex = sharing(random, this.max)
    this.sharesMost = random.chance(0.3)
    this.options = {
      // Deadlocks show themselves only where calls wait for longer than half a second.
      acquireTimeoutMs: random.chance(0.3) ? random.int(3_000, 6_000) : random.int(20, 400),
      // A statement keeps others waiting for up to a second.
      statementTimeoutMs: random.chance(0.2) ? random.int(1_200, 3_000) : random.int(20, 300),
      connectTimeoutMs: random.int(20, 200),
      maxPending: random.int(1, 20),
    }
    const leakWarningMs = random.pick([0, 30, 500, 30_000])
    this.pool = createPool({
      ...this.options,
      leakWarningMs,
      overload: random.chance(0.3)
        ? { targetMs: random.int(1, 40), intervalMs: random.int(10, 200) }
        : false,
      driver: this.server.driver,
      budget: random.chance(0.2) ? demanding(random) : undefined,
      multiplex: this.multiplex,
      connection: 'postgres://user:secret@localhost/app',
      max: this.max,
      min: random.chance(0.3) ? random.int(1, this.max) : 0,
      idleTimeoutMs: random.pick([0, 50, 500, 60_000]),
      maxLifetimeMs: random.pick([0, 0, 200, 2_000]),
      maxUses: random.pick([Number.POSITIVE_INFINITY, 5]),
      validateAfterIdleMs: random.pick([0, 30, 10_000]),
      clock: this.clock,
      random: random.next,
    })
    this.say(`pool max ${this.max} multiplex ${JSON.stringify(this.multiplex)}`)
    this.pool.on('overload', () => {
      this.shed++
    })
    this.pool.on('leak', ({ heldMs, connection }) => {
      this.leaks++
      if (leakWarningMs === 0 || heldMs < leakWarningMs)
        this.complain(`connection ${connection} counts as leaked after ${heldMs} ms`)
    })
  }

  /** Writes a line of the story that is told when a schedule fails. */
  say(line: string): void {
    this.log.push(`${this.clock.now().toFixed(1).padStart(8)} ${line}`)
  }

  complain(what: string): void {
    this.server.complaints.push(what)
  }

  /** Watches a promise: it must settle by its time, and what it settles with must be true. */
  track<T>(
    kind: string,
    promise: Promise<T>,
    withinMs: number,
    details: {
      id?: number
      priority?: number | undefined
      abort?: AbortController | undefined
      served?: () => boolean
      then?: (value: T) => void
      failed?: (error: unknown) => void
    } = {},
  ): Promise<void> {
    const call: Call = {
      id: details.id ?? ++this.lastId,
      kind,
      priority: details.priority,
      abort: details.abort,
      dueAt: this.clock.now() + withinMs + SLACK_MS,
      settled: false,
      served: details.served ?? (() => call.settled),
    }
    this.calls.add(call)
    if (call.priority !== undefined) this.#unserved.add(call)
    const end = (): void => {
      if (call.settled) this.complain(`${kind} ${call.id} settled twice`)
      call.settled = true
      this.calls.delete(call)
    }
    return promise.then(
      (value) => {
        end()
        this.say(`${kind} ${call.id} ok`)
        details.then?.(value)
      },
      (error: unknown) => {
        end()
        this.say(`${kind} ${call.id} failed: ${String(error)}`)
        if (!isPoolhouseError(error) && !(error as { mine?: true }).mine) {
          this.complain(
            `${kind} ${call.id} rejected with a foreign error: ${(error as Error).stack}`,
          )
        }
        details.failed?.(error)
      },
    )
  }

  /** Fires the signal of a call. */
  abort(call: Call): void {
    this.say(`abort ${call.kind} ${call.id}`)
    call.dueAt = Math.min(call.dueAt, this.clock.now() + CONFIRM_MS + SLACK_MS)
    call.abort!.abort()
  }

  /** Gives back whatever is still held. */
  releaseAll(): void {
    for (const { lease, pid } of this.leases.splice(0)) {
      this.server.heldBy.delete(pid)
      lease.release()
    }
  }

  /** Lets time pass as if the process had been frozen. */
  stall(ms: number): void {
    this.say(`stall ${ms}`)
    this.clock.stall(ms)
    this.#stalledAt = this.clock.now()
    if (this.server.driver.connecting > 0) this.server.lastRefusalAt = this.clock.now()
    // A late timer is no evidence: what was under way gets its time when the process runs again.
    for (const call of this.calls) call.dueAt = Math.max(call.dueAt + ms, this.clock.now() + 700)
  }

  /** What must hold at every moment, in the middle of everything. */
  checkBooks(): void {
    const { total, idle, leased, connecting, pending } = this.pool.stats()
    if (
      total !== idle + leased + connecting ||
      Math.min(total, idle, leased, connecting, pending) < 0
    ) {
      this.complain(
        `counts do not add up: total ${total}, idle ${idle}, leased ${leased}, connecting ${connecting}, pending ${pending}`,
      )
    }
    this.#complainOfServer()
  }

  /** What must hold when every promise reaction has run. */
  checkSettled(): void {
    this.checkBooks()
    const now = this.clock.now()
    const { driver } = this.server
    const { total, idle, connecting, pending } = this.pool.stats()
    const sessions = this.opening + this.sessions.filter((session) => !session.closed).length
    if (driver.open.size + driver.connecting !== total + sessions) {
      this.complain(
        `${driver.open.size} open and ${driver.connecting} connecting at the server, ${total} in the pool and ${sessions} beside it`,
      )
    }
    this.surplus = Math.min(this.surplus, Math.max(0, total - this.max))
    if (total > this.max + this.surplus) this.complain(`${total} connections of max ${this.max}`)
    for (const call of this.calls) {
      if (now > call.dueAt) this.complain(`${call.kind} ${call.id} is late (due ${call.dueAt})`)
      // Only what runs on the server may be kept a moment for its word.
      if (call.kind === 'acquire' && call.abort?.signal.aborted)
        this.complain(`${call.kind} ${call.id} ignores its signal`)
    }
    if (pending > 0 && !this.suspended && !this.closing) {
      // After a refusal the pool waits up to five seconds; after 53300 it makes do with less for
      // ten.
      const retryScheduled =
        now - this.server.lastRefusalAt <= 5_500 + SLACK_MS ||
        now - this.server.lastFullAt <= 10_500 + SLACK_MS
      // Calls that share wait behind others when they have all the connections that they may have.
      const isFull = pending <= this.#unsent() && this.#sharesAll()
      if (idle > 0 && !this.server.pinging && !isFull)
        this.complain(`${pending} wait while ${idle} are idle`)
      if (
        connecting === 0 &&
        !this.server.pinging &&
        total < this.max &&
        !retryScheduled &&
        !isFull
      ) {
        this.complain(`${pending} wait for nothing (${total} of ${this.max})`)
      }
    }
    if (this.refusing && pending > 0)
      this.complain(`${pending} still wait although the pool closes`)
    this.#checkDeadlock()
    this.#checkOrder()
    this.#checkRest()
    this.#complainOfServer()
  }

  /** Calls that may share a connection, and are not sent. */
  #unsent(): number {
    let count = 0
    for (const { kind, served } of this.calls) if (kind === 'share' && !served()) count++
    return count
  }

  /** Whether as many connections are shared as may be. */
  #sharesAll(): boolean {
    let shared = 0
    for (const { sharing } of this.server.driver.open) if (sharing) shared++
    return shared >= mostShared(this.multiplex, this.max)
  }

  /** What texts do not show is undone when a connection that was shared has been idle. */
  #checkRest(): void {
    const { driver, heldBy, sharedAt } = this.server
    if (this.closing) return
    for (const { info, inFlight, closing } of driver.open) {
      const pid = info.backendPid
      const since = sharedAt.get(pid)
      if (since === undefined) continue
      if (inFlight > 0 || closing || heldBy.has(pid)) sharedAt.set(pid, this.clock.now())
      const idleMs = this.clock.now() - Math.max(since, this.#stalledAt)
      if (idleMs > REST_MS) this.complain(`session ${pid} was shared, and idle for ${idleMs} ms`)
    }
  }

  /** All connections are held by work that waits for more: the pool must have ended that. */
  #checkDeadlock(): void {
    const { leased, total } = this.pool.stats()
    if (this.suspended || this.closing || total < this.max || leased < total) return
    const now = this.clock.now()
    const waits = [...this.nestedWaits].filter(({ since }) => now - since > DEADLOCK_MS)
    // A connection that is held otherwise, or by work whose statement still runs, may come back by
    // itself.
    if (this.leases.length > 0 || waits.length < total || this.nestedWaits.size > waits.length)
      return
    if (this.calls.size === waits.length && [...this.calls].every(({ kind }) => kind === 'nest')) {
      this.complain(`${waits.length} wait for each other, and the pool does not end it`)
    }
  }

  /** What must hold when the pool is closed and every promise is kept. */
  checkEnd(): void {
    const { total, pending, counters } = this.pool.stats()
    const { driver } = this.server
    if (total + pending !== 0)
      this.complain(`${total} connections and ${pending} waiters after close`)
    if (driver.open.size + driver.connecting > 0) this.complain('sockets are left after close')
    if (this.clock.pendingTimers > this.sleeping) {
      this.complain(`${this.clock.pendingTimers - this.sleeping} timers are left after close`)
    }
    for (const { who, executed, fate } of this.verdicts) {
      const untrue =
        (executed === 'no' && !['never sent', 'failed'].includes(fate())) ||
        (executed === 'rolled-back' && fate() === 'done') ||
        (executed === 'yes' && fate() !== 'done')
      if (untrue) this.complain(`${who} said "${executed}", but the server says "${fate()}"`)
    }
    if (counters.acquired !== counters.released) {
      this.complain(`${counters.acquired} acquired, ${counters.released} released`)
    }
    if (counters.created !== counters.destroyed) {
      this.complain(`${counters.created} created, ${counters.destroyed} destroyed`)
    }
  }

  /** First come, first served within a priority. */
  #checkOrder(): void {
    const served: Call[] = []
    for (const call of this.#unserved) {
      if (call.served()) served.push(call)
      if (call.served() || call.settled) this.#unserved.delete(call)
    }
    for (const later of served) {
      for (const earlier of this.#unserved) {
        if (earlier.id < later.id && earlier.priority === later.priority) {
          this.complain(`${later.kind} ${later.id} was served before ${earlier.kind} ${earlier.id}`)
        }
      }
    }
  }

  #complainOfServer(): void {
    const { violations } = this.server.driver
    if (violations.length > 0) this.complain(`contract broken: ${violations.join('; ')}`)
  }
}
