import type { Clock, ClockTimer } from '@poolhouse/core'
import type { BudgetedPool } from '@poolhouse/core/kit'
import { Turns } from '@poolhouse/core/kit'
import type { Place } from './place.js'
import type { Seat } from './seat.js'
import { WaitingSeats } from './waiting-seats.js'

/** The budget of one server. */
export interface BudgetStats {
  /** Most connections. */
  readonly limit: number
  /** Connections of pools, open or being opened or closed. */
  readonly used: number
  /**
   * Connections beside the pools: monitors and LISTEN. They count against the limit and are never
   * refused.
   */
  readonly beside: number
  /** Pools that wait for a connection to be free. */
  readonly waiting: number
  /**
   * Idle connections, and connections between two borrowers, that were closed because another pool
   * was owed them.
   */
  readonly reclaimed: number
}

// As long as nobody has more than one connection, those that have one pass it on after this time;
// opening one takes some 5 ms of it.
const SLICE_MS = 100
// A connect costs several round trips, so it has to serve more than one call also where calls are
// slow.
const SLICE_CALLS = 4
// Below that, a process has the log-ins of a server nearly to itself.
const LEAST_PACE_MS = 10
// How long a connection that nobody uses is kept from those who have more already. Without it a
// tenant that asks now and then opened a connection for each of its calls, beside one that could
// use all there are.
const KEPT_MS = 5_000

/**
 * Shares the connections to one server among the pools of all databases and tenants on it. Never
 * more than the limit are out. A free permit goes to whoever has the least for its weight. When
 * none is free, the longest idle connection is closed, at once for those who have less than its
 * pool, after a while for others; when none is idle, a pool with more than its share passes on a
 * connection that comes back, before it is lent again. A busy one is never taken.
 */
export class ServerBudget {
  /** Which of its pools may open one connection more, to ask the server about a silent one. */
  readonly turns: Turns = new Turns()
  readonly #server: string
  readonly #clock: Clock
  // Holders: seats with permits or sessions.
  readonly #seats = new Set<Seat>()
  readonly #waiting = new WaitingSeats()
  #limit: number
  // Whether there may be one connection only, because it is not known yet whose budget this is.
  #isProvisional = true
  #used = 0
  #beside = 0
  // Permits on their way back for those who wait.
  #leaving = 0
  #reclaimed = 0
  // Who may take the next permit, while it is asked whether it wants it.
  #granted: Seat | undefined
  #isSettling = false
  #isLookingAgain = false
  // Until the next idle connection may be taken for whoever waits.
  #timer: ClockTimer | undefined
  // Between two connects while openings are spread; 0 if they are not.
  #paceMs = 0
  // While openings are spread: when the next one may begin.
  #nextAt = 0
  #turn: ClockTimer | undefined

  /** Begins with everything free, and allows one connection until it is `settled`. */
  constructor(server: string, clock: Clock, limit: number) {
    this.#server = server
    this.#clock = clock
    this.#limit = limit
  }

  /** Most connections. */
  get limit(): number {
    return this.#limit
  }

  /** Whether nobody has or wants anything. */
  get idle(): boolean {
    return this.#seats.size === 0 && this.#waiting.size === 0
  }

  /** What is in use. */
  get stats(): BudgetStats {
    return Object.freeze({
      limit: this.#limit,
      used: this.#used,
      beside: this.#beside,
      waiting: this.#waiting.size,
      reclaimed: this.#reclaimed,
    })
  }

  /** Changes the limit. What is beyond a smaller one leaves when it is idle or comes back. */
  resize(limit: number): void {
    this.#limit = limit
    this.#settleSoon()
  }

  /** Connections of pools, open or being opened or closed. */
  get used(): number {
    return this.#used
  }

  /**
   * Whether it is known whose budget this is, so that there may be as many connections as the limit
   * allows.
   */
  set settled(settled: boolean) {
    if (this.#isProvisional !== settled) return
    this.#isProvisional = !settled
    this.#settleSoon()
  }

  /** Takes over from another budget what the pools of a name have there and wait for. */
  takeOver(place: Place, from: ServerBudget): void {
    place.budget = this
    if (from === this) return
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

  /** How far apart connects are begun now, in milliseconds; 0 if as fast as they are wanted. */
  get paceMs(): number {
    return this.#paceMs
  }

  /**
   * Spreads connects from now on: the first begins at a moment drawn from the next `stepMs`, and
   * each other one `stepMs` after the one before, until a turn comes that no pool has use for. For
   * when all processes at once want connections that they did not have: each takes as many of the
   * server's log-ins as it is due. A step of a few milliseconds spreads nothing.
   */
  spread(stepMs: number, random: () => number): void {
    if (stepMs < LEAST_PACE_MS || this.#paceMs > 0) return
    this.#paceMs = stepMs
    this.#nextAt = this.#clock.now() + stepMs * random()
    this.#awaitTurn()
  }

  /** A permit for one connect of this seat, if there is one and nobody comes first. */
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

  /** A permit of this seat is free again. */
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

  /** Whether the seat must pass on a connection that has just come back. */
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
      // Whoever got an answer often asks again at once, and a new connection would cost more than
      // the moment: it goes when it is idle a turn of the event loop from now.
      this.#lookAgain()
      return false
    }
    if (seat.staying > next.shareWithOneMore) return this.#letGo(seat)
    const isItsTurn = next.held === 0 && now - next.waitingSince >= SLICE_MS
    return isItsTurn && hasHadItsSlice && this.#letGo(seat)
  }

  /** The seat has this many connections beside its permits. */
  outside(seat: Seat, count: number): void {
    this.#beside += count - seat.beside
    seat.beside = count
    if (count > 0) this.#seats.add(seat)
    this.#forget(seat)
    this.#settleSoon()
  }

  /**
   * Who has the connections that a waiting seat does not get, in words; undefined if it does not
   * wait for one. Names no tenant.
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
    // Monitors and LISTEN are beside that one connection: they may be what says who the server is.
    return this.#isProvisional ? Math.min(free, 1 - this.#used) : free
  }

  /** How many connections there are too many, those that are leaving not counted. */
  get #over(): number {
    return this.#used + this.#beside - this.#limit - this.#leaving
  }

  /** Whether a connect may begin now, as far as their pace goes. */
  get #isTurn(): boolean {
    return this.#paceMs === 0 || this.#clock.now() >= this.#nextAt
  }

  #awaitTurn(): void {
    this.#turn = this.#clock.setTimer(() => this.#turnCame(), this.#nextAt - this.#clock.now())
  }

  #turnCame(): void {
    this.#grant()
    if (this.#isTurn) {
      // A turn that no pool has use for: what is wanted from now on is not wanted by all processes
      // at once.
      if (this.#free > 0) {
        this.#paceMs = 0
        return
      }
      this.#nextAt = this.#clock.now() + this.#paceMs
    }
    this.#awaitTurn()
  }

  /** Spreads nothing any more. */
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

  /** Pools are never called from within their own calls: they may be in the middle of something. */
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
      // It takes one; for a second one it waits again. One that cannot connect now takes none and
      // comes back by itself.
      seat.pool.grow()
      this.#granted = undefined
    }
  }

  #reclaim(): void {
    for (;;) {
      const isOver = this.#over > 0
      const next = this.#waiting.next(this.#leaving)
      // Those who wait for their turn alone are owed no connection of others.
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

  /**
   * Who has the connection that has been idle longest, of those that may be taken for this seat.
   */
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

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`
}

function heldBy(seats: readonly Seat[]): number {
  return seats.reduce((sum, { held }) => sum + held, 0)
}

/** Whether the one would, with one connection more, have no more than the other has now. */
function hasLess(one: Seat, other: Seat): boolean {
  return one.shareWithOneMore <= other.staying
}
