import type { Clock, ClockTimer } from '@poolhouse/core'
import type { BudgetedPool, BudgetHolder } from '@poolhouse/core/kit'
import { Turns } from '@poolhouse/core/kit'
import type { Seat, SeatOwner, SeatPlace } from './seat.js'
import { WaitingSeats } from './waiting-seats.js'

/** The budget of one server. */
export interface BudgetStats {
  /** Most connections. */
  readonly limit: number
  /** Connections of pools, open or being opened or closed. */
  readonly used: number
  /** Monitors and LISTEN. They count against the limit and are never refused. */
  readonly beside: number
  /** Pools that wait for a permit to connect. */
  readonly waiting: number
  /** Connections that were closed, idle or between two borrowers, to make room for another pool. */
  readonly reclaimed: number
}

const MOST_HOLDERS = 100

// While no pool has more than one connection, a pool passes its own on after this time. Opening one
// takes some 5 ms of it.
const SLICE_MS = 100
// A connect costs several round trips, so a connection serves at least this many calls, however
// slow they are.
const SLICE_CALLS = 4
// Below this pace a process has the log-ins of a server nearly to itself, and spreads nothing.
const LEAST_PACE_MS = 10
// An idle connection is not taken for a pool that has more than its owner before this time has
// passed. Otherwise a tenant with a call now and then would open a connection for each call, beside
// a tenant that can use every connection there is.
const KEPT_MS = 5_000

/**
 * Shares the connections to one server among the pools of all databases and tenants on it. Never
 * more permits than the limit are out.
 *
 * - A free permit goes to the pool with the fewest connections relative to its weight.
 * - If none is free, the connection that has been idle longest is closed: at once for a pool that
 *   has less than its owner, after `KEPT_MS` for others.
 * - If none is idle, a pool with more than its share gives up a connection when it is released.
 *
 * A connection in use is never taken.
 */
export class ServerBudget implements SeatOwner {
  /** Which pool may open one connection more, to ask the server about a silent connection. */
  readonly turns: Turns = new Turns()
  readonly #server: string
  readonly #clock: Clock
  // The seats with permits or with connections beside them.
  readonly #seats = new Set<Seat>()
  readonly #waiting = new WaitingSeats()
  #limit: number
  // Whether only one connection is allowed, because the server is not identified yet.
  #isProvisional = true
  #used = 0
  #beside = 0
  // Permits whose connection is being given up for a waiting pool.
  #leaving = 0
  #reclaimed = 0
  // The seat that is offered a free permit right now.
  #granted: Seat | undefined
  #isSettling = false
  #isLookingAgain = false
  // Fires when the next idle connection may be taken for a waiting pool.
  #timer: ClockTimer | undefined
  // Time between two connects while they are spread; 0 while they are not.
  #paceMs = 0
  // While connects are spread: when the next one may start.
  #nextAt = 0
  #turn: ClockTimer | undefined

  /** Allows one connection until it is `settled`, then as many as `limit`. */
  constructor(server: string, clock: Clock, limit: number) {
    this.#server = server
    this.#clock = clock
    this.#limit = limit
  }

  get limit(): number {
    return this.#limit
  }

  get stats(): BudgetStats {
    return Object.freeze({
      limit: this.#limit,
      used: this.#used,
      beside: this.#beside,
      waiting: this.#waiting.size,
      reclaimed: this.#reclaimed,
    })
  }

  /**
   * The databases and tenants that have its connections, at most 100, those with the most first.
   */
  get shares(): readonly BudgetHolder[] {
    return holdersAmong(this.#seats)
  }

  /** Changes the limit. Connections beyond it are closed when they are idle or released. */
  resize(limit: number): void {
    this.#limit = limit
    this.#settleSoon()
  }

  get used(): number {
    return this.#used
  }

  /** Whether the server is identified, so that as many connections as the limit are allowed. */
  set settled(settled: boolean) {
    if (this.#isProvisional !== settled) return
    this.#isProvisional = !settled
    this.#settleSoon()
  }

  /** Takes over from another budget what the pools of a name have there and wait for. */
  takeOver(place: SeatPlace, from: ServerBudget): void {
    const now = this.#clock.now()
    for (const seat of [...from.#seats].filter((each) => each.place === place)) {
      from.#seats.delete(seat)
      this.#seats.add(seat)
      for (const [budget, sign] of [
        [from, -1],
        [this, 1],
      ] as const) {
        budget.#used += sign * seat.held
        budget.#beside += sign * seat.beside
        budget.#leaving += sign * seat.leaving
      }
    }
    for (const seat of from.#waiting.of(place)) {
      from.#waiting.delete(seat)
      const { waitingSince } = seat
      this.#waiting.add(seat, now)
      seat.waitingSince = waitingSince
    }
    from.#settleSoon()
    this.#settleSoon()
  }

  /** Time between two connects while they are spread, in milliseconds; else 0. */
  get paceMs(): number {
    return this.#paceMs
  }

  /**
   * Spreads connects from now on: the first one starts at a random moment within `stepMs`, each
   * other one `stepMs` after the one before, until no pool wants the next turn. Used when all
   * processes want new connections at once, so that each takes its share of the server's log-ins.
   * Does nothing for a step of a few milliseconds.
   */
  spread(stepMs: number, random: () => number): void {
    if (stepMs < LEAST_PACE_MS || this.#paceMs > 0) return
    this.#paceMs = stepMs
    this.#nextAt = this.#clock.now() + stepMs * random()
    this.#awaitTurn()
  }

  /** Gives a permit for one connect, if one is free and no other seat is first; else it waits. */
  take(seat: Seat): boolean {
    const isNext =
      this.#granted === seat || (this.#granted === undefined && this.#waiting.size === 0)
    if (isNext && this.#free > 0 && this.#isTurn) {
      if (this.#paceMs > 0) this.#nextAt = this.#clock.now() + this.#paceMs
      this.#granted = undefined
      this.#waiting.delete(seat)
      this.#used++
      seat.held++
      seat.servingSince = undefined
      seat.served = 0
      this.#seats.add(seat)
      return true
    }
    this.#waiting.add(seat, this.#clock.now())
    this.#settleSoon()
    return false
  }

  /** Takes back a permit. */
  giveBack(seat: Seat): void {
    this.#used--
    seat.held--
    if (seat.leaving > 0) {
      seat.leaving--
      this.#leaving--
    }
    this.#forget(seat)
    this.#settleSoon()
  }

  /** Whether the seat must give up the connection that was just released. */
  owes(seat: Seat): boolean {
    if (this.#over > 0) return this.#letGo(seat)
    if (this.#waiting.size <= this.#leaving || this.#free > 0) return false
    const next = this.#waiting.next(this.#leaving, seat)
    if (next === undefined) return false
    const now = this.#clock.now()
    seat.servingSince ??= now
    seat.served++
    const hasHadItsSlice = seat.served >= SLICE_CALLS && now - seat.servingSince >= SLICE_MS
    if (seat.pool.wanted() === 0) {
      if (hasHadItsSlice && hasLess(next, seat)) return this.#letGo(seat)
      // A caller that got its answer often asks again at once. The connection is given up only if
      // it is still idle a turn of the event loop from now.
      this.#lookAgain()
      return false
    }
    if (seat.staying > next.shareWithOneMore) return this.#letGo(seat)
    const isItsTurn = next.held === 0 && now - next.waitingSince >= SLICE_MS
    return isItsTurn && hasHadItsSlice && this.#letGo(seat)
  }

  /** Sets how many connections the seat has beside its permits. */
  outside(seat: Seat, count: number): void {
    this.#beside += count - seat.beside
    seat.beside = count
    if (count > 0) this.#seats.add(seat)
    this.#forget(seat)
    this.#settleSoon()
  }

  /**
   * Says which pools have the connections that a waiting seat does not get; undefined if it waits
   * for none. Names no tenant.
   */
  shortage(seat: Seat): string | undefined {
    if (!this.#waiting.has(seat)) return undefined
    if (this.#free > 0) {
      return this.#isTurn
        ? undefined
        : `after a failover connects to ${this.#server} are begun in turn with those of all other processes, one each ${Math.round(this.#paceMs)} ms`
    }
    if (this.#unused > 0) {
      return `until it is known which server ${this.#server} is, or which one the other names are, there is one connection to it`
    }
    const { held } = seat
    const others = [...this.#seats].filter((each) => each !== seat && each.held > 0)
    const named = others.filter(({ label }) => label !== undefined)
    const tenants = others.filter(({ label }) => label === undefined)
    const holders = [
      `${held} by this pool`,
      ...named.map((each) => `${each.held} by database "${each.label}"`),
      ...(tenants.length === 0
        ? []
        : [`${heldBy(tenants)} by ${counted(tenants.length, 'tenant')}`]),
      ...(this.#beside === 0 ? [] : [`${this.#beside} by monitors and LISTEN`]),
    ]
    return `the budget of ${this.#server} is used up: ${this.#used + this.#beside} of ${this.#limit} connections are out, ${holders.join(', ')}; ${counted(this.#waiting.size, 'pool')} waiting`
  }

  /**
   * Who has all the permits that a waiting seat could get; undefined if it does not wait, or one is
   * free or on its way.
   */
  holders(seat: Seat): readonly BudgetedPool[] | undefined {
    if (!this.#waiting.has(seat) || this.#unused > 0 || this.#leaving > 0) return undefined
    return [...this.#seats].filter(({ held }) => held > 0).map(({ pool }) => pool)
  }

  /** The seat wants nothing any more. */
  leave(seat: Seat): void {
    this.#waiting.delete(seat)
    this.#settleSoon()
  }

  /** What the limit leaves. */
  get #unused(): number {
    return this.#limit - this.#used - this.#beside
  }

  get #free(): number {
    const free = this.#unused
    // One besides monitors and LISTEN, whose connections may be what identifies the server.
    return this.#isProvisional ? Math.min(free, 1 - this.#used) : free
  }

  /** Connections above the limit, without those that are leaving. */
  get #over(): number {
    return this.#used + this.#beside - this.#limit - this.#leaving
  }

  /** Whether the pace allows a connect now. */
  get #isTurn(): boolean {
    return this.#paceMs === 0 || this.#clock.now() >= this.#nextAt
  }

  #awaitTurn(): void {
    this.#turn = this.#clock.setTimer(() => this.#turnCame(), this.#nextAt - this.#clock.now())
  }

  #turnCame(): void {
    this.#grant()
    if (this.#isTurn) {
      // No pool wants this turn: the rush is over.
      if (this.#free > 0) {
        this.#paceMs = 0
        return
      }
      this.#nextAt = this.#clock.now() + this.#paceMs
    }
    this.#awaitTurn()
  }

  /** Cancels its timers. */
  stop(): void {
    this.#turn?.cancel()
    this.#timer?.cancel()
  }

  #forget(seat: Seat): void {
    if (seat.held === 0 && seat.beside === 0) this.#seats.delete(seat)
  }

  #letGo(seat: Seat): true {
    seat.leaving++
    this.#leaving++
    this.#reclaimed++
    return true
  }

  /** Later, because a pool must not be called back from within its own call. */
  #settleSoon(): void {
    if (this.#isSettling || (this.#waiting.size === 0 && this.#over <= 0)) return
    this.#isSettling = true
    queueMicrotask(() => {
      this.#isSettling = false
      this.#grant()
      this.#reclaim()
    })
  }

  #lookAgain(): void {
    if (this.#isLookingAgain) return
    this.#isLookingAgain = true
    this.#clock.afterIo(() => {
      this.#isLookingAgain = false
      this.#settleSoon()
    })
  }

  #grant(): void {
    while (this.#free > 0 && this.#isTurn) {
      const seat = this.#waiting.next()
      if (seat === undefined) return
      this.#waiting.delete(seat)
      this.#granted = seat
      // The pool takes one permit and waits again for a second one. A pool that cannot connect now
      // takes none, and asks again later.
      seat.pool.grow()
      this.#granted = undefined
    }
  }

  #reclaim(): void {
    for (;;) {
      const isOver = this.#over > 0
      const next = this.#waiting.next(this.#leaving)
      // A pool that only waits for its turn has no claim on the connections of others.
      if (!isOver && (next === undefined || this.#free > 0)) return
      const seat = this.#longestIdle(isOver ? undefined : next)
      if (seat === undefined) return
      this.#letGo(seat)
      if (seat.pool.giveUpIdle('another pool is owed a connection')) continue
      seat.leaving--
      this.#leaving--
      this.#reclaimed--
      return
    }
  }

  /** The seat with the connection that has been idle longest, of those that `taker` may have. */
  #longestIdle(taker: Seat | undefined): Seat | undefined {
    const keptSince = this.#clock.now() - KEPT_MS
    let oldest: Seat | undefined
    let since = Number.POSITIVE_INFINITY
    let keptLongest = Number.POSITIVE_INFINITY
    for (const seat of this.#seats) {
      const idleSince = seat.pool.idleSince()
      if (idleSince === undefined || idleSince >= since) continue
      if (taker === undefined || idleSince <= keptSince || hasLess(taker, seat)) {
        oldest = seat
        since = idleSince
      } else {
        keptLongest = Math.min(keptLongest, idleSince)
      }
    }
    if (oldest === undefined && keptLongest < Number.POSITIVE_INFINITY)
      this.#lookLater(keptLongest - keptSince)
    return oldest
  }

  #lookLater(delayMs: number): void {
    this.#timer ??= this.#clock.setTimer(() => {
      this.#timer = undefined
      this.#settleSoon()
    }, delayMs)
  }
}

/** What the seats of each database and tenant hold together. */
function holdersAmong(seats: Iterable<Seat>): readonly BudgetHolder[] {
  const held = new Map<string, BudgetHolder>()
  for (const { label, tenant, pool, held: more } of seats) {
    const kind = label === undefined ? 'tenant' : 'database'
    const name = label ?? tenant ?? pool.name
    const key = `${kind} ${name}`
    if (more > 0) held.set(key, { name, kind, held: (held.get(key)?.held ?? 0) + more })
  }
  const all = [...held.values()].sort((one, other) => other.held - one.held)
  return Object.freeze(all.slice(0, MOST_HOLDERS).map((each) => Object.freeze(each)))
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`
}

function heldBy(seats: readonly Seat[]): number {
  return seats.reduce((sum, { held }) => sum + held, 0)
}

/** Whether `one` would, with one connection more, have no larger share than `other` has now. */
function hasLess(one: Seat, other: Seat): boolean {
  return one.shareWithOneMore <= other.staying
}
