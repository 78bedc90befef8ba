import type { BudgetedPool, Turns } from '@poolhouse/core/kit'
import { type VirtualClock, virtualClock } from '@poolhouse/core/testing'
import { beforeEach, describe, expect, test } from 'vitest'
import { Seat, type SeatPlace } from '../../../src/budget/seat.js'
import { ServerBudget } from '../../../src/budget/server-budget.js'

/** A pool that takes what it wants whenever it may, and gives up what is idle. */
class FakePool {
  wants = 0
  /** Since when each idle connection is idle. */
  readonly idle: number[] = []
  /** How many idle connections it gave up. */
  gaveUp = 0
  refuses = false
  /** Called in place of taking. */
  onGrow: (() => void) | undefined
  readonly #seat: () => Seat

  constructor(seat: () => Seat) {
    this.#seat = seat
  }

  wanted(): number {
    return this.wants
  }

  grow(): void {
    if (this.onGrow !== undefined) this.onGrow()
    else if (this.wants > 0 && this.#seat().take()) this.wants--
  }

  idleSince(): number | undefined {
    return this.idle[0]
  }

  giveUpIdle(): boolean {
    if (this.refuses) return false
    this.idle.shift()
    this.gaveUp++
    this.#seat().giveBack()
    return true
  }
}

let clock: VirtualClock
let budget: ServerBudget
let place: SeatPlace

beforeEach(() => {
  clock = virtualClock()
  budget = new ServerBudget('db:5432', clock, 4)
  place = { budget, leadsTo: () => {}, gaveBack: () => {}, leave: () => {} }
})

interface Member {
  readonly seat: Seat
  readonly pool: FakePool
}

/** A pool that holds so many connections, all in use. */
function member(held = 0, label?: string): Member {
  const pool: FakePool = new FakePool(() => seat)
  const seat: Seat = new Seat(place, pool as unknown as BudgetedPool, 1, label)
  for (let taken = 0; taken < held; taken++) expect(seat.take()).toBe(true)
  return { seat, pool }
}

/** It wants one connection more. */
async function want({ seat, pool }: Member): Promise<void> {
  pool.wants++
  if (seat.take()) pool.wants--
  await clock.settle()
}

test('a seat shares the turns of its budget, which one pool has at a time', () => {
  const turns: Turns = member().seat.turns
  expect(turns).toBe(budget.turns)
})

test('allows one connection until the server is identified', async () => {
  const [one, other] = [member(1), member()]
  await want(other)
  expect([one.seat.held, other.seat.held]).toEqual([1, 0])
  expect(other.seat.shortage()).toBe(
    'until it is known which server db:5432 is, or which one the other names are, there is one connection to it',
  )
  expect(other.seat.holders()).toBeUndefined()
  budget.settled = true
  await clock.settle()
  expect(other.seat.held).toBe(1)
})

describe('with all connections in use', () => {
  beforeEach(() => {
    budget.settled = true
  })

  test('a permit that is offered to one pool is not taken by another', async () => {
    const [holder, first, late] = [member(4), member(), member()]
    await want(first)
    const took: boolean[] = []
    first.pool.onGrow = () => {
      took.push(late.seat.take())
      took.push(first.seat.take())
    }
    holder.seat.giveBack()
    await clock.settle()
    expect(took).toEqual([false, true])
    expect([first.seat.held, late.seat.held]).toEqual([1, 0])
  })

  test('a pool with an equal share keeps a connection that it can use', async () => {
    budget.resize(1)
    const [holder, next] = [member(1), member()]
    holder.pool.wants = 1
    await want(next)
    expect(holder.seat.owes()).toBe(false)
  })

  test('a pool with more than its share gives up a connection that it could use', async () => {
    const [holder, next] = [member(4), member()]
    holder.pool.wants = 1
    await want(next)
    expect([holder.seat.owes(), holder.seat.owes()]).toEqual([true, false])
    expect(budget.stats.reclaimed).toBe(1)
  })

  test('names those that hold connections, and none that has only a monitor', async () => {
    const [holder, watcher, next] = [member(3, 'app'), member(), member()]
    watcher.seat.outside(1)
    await want(next)
    expect(next.seat.holders()).toEqual([holder.pool])
    expect(next.seat.shortage()).toBe(
      'the budget of db:5432 is used up: 4 of 4 connections are out, 0 by this pool, 3 by database "app", 1 by monitors and LISTEN; 1 pool waiting',
    )
    next.seat.leave()
    expect(next.seat.holders()).toBeUndefined()
    expect(budget.stats.waiting).toBe(0)
  })

  test('a pool that gives up nothing after all has not lost a connection', async () => {
    const [holder, next] = [member(4), member()]
    holder.pool.idle.push(clock.now())
    holder.pool.refuses = true
    await want(next)
    expect(holder.seat).toMatchObject({ held: 4, leaving: 0, staying: 4 })
    expect(budget.stats).toMatchObject({ used: 4, reclaimed: 0, waiting: 1 })
    holder.pool.refuses = false
    await want(next)
    expect([holder.seat.held, next.seat.held]).toEqual([3, 1])
  })
})

test('an idle connection is kept for five seconds from a pool that has more, and then taken', async () => {
  budget.settled = true
  const [poor, rich] = [member(1), member(3)]
  poor.pool.idle.push(clock.now())
  await want(rich)
  await clock.advance(4_999)
  expect([poor.pool.gaveUp, rich.seat.held]).toEqual([0, 3])
  await clock.advance(2)
  expect([poor.pool.gaveUp, rich.seat.held]).toEqual([1, 4])
})

test('while connects are spread, a pool that waits for its turn takes no connection of another', async () => {
  budget.settled = true
  const [holder, next] = [member(3), member()]
  holder.pool.wants = 1
  budget.spread(100, () => 0.5)
  await want(next)
  expect(next.seat.shortage()).toMatch(/begun in turn .* one each 100 ms/)
  expect(holder.seat.owes()).toBe(false)
  await clock.advance(51)
  expect([holder.seat.held, next.seat.held]).toEqual([3, 1])
  budget.stop()
})
