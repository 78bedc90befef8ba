import { type ConnectionPool, createPool, PoolDeadlockError } from '@poolhouse/core'
import { fakeDriver, type VirtualClock, virtualClock } from '@poolhouse/core/testing'
import { beforeEach, expect, test } from 'vitest'
import { Budgets } from '../../../src/budget/budgets.js'

let clock: VirtualClock
let make: (name: string, more?: { min?: number; max?: number }) => ConnectionPool

beforeEach(() => {
  clock = virtualClock()
  const driver = fakeDriver({ clock, connectMs: 5, statementMs: 2 })
  const budgets = new Budgets(clock, { perServer: 2 })
  make = (name, more = {}) =>
    createPool({
      driver,
      connection: { host: 'localhost', user: 'u', database: name },
      name,
      max: 10,
      ...more,
      clock,
      random: () => 0.5,
      budget: budgets.weighing(1),
    })
})

/** Holds a connection of one pool for a while, and then acquires one of another. */
function holding(one: ConnectionPool, other: ConnectionPool): Promise<string> {
  return one.use(async (lease) => {
    await lease.query('select 1')
    await new Promise<void>((resolve) => clock.setTimer(resolve, 50))
    return (await other.query('select 2')).command
  })
}

async function outcomesWithin(ms: number, work: Promise<string>[]): Promise<string[]> {
  const outcomes = work.map(() => 'pending')
  work.forEach((each, at) => {
    each.then(
      (value) => {
        outcomes[at] = value
      },
      (error: Error) => {
        outcomes[at] = error.name
      },
    )
  })
  await clock.advance(ms)
  return outcomes
}

test('T20: with a budget of two, two callbacks that hold a connection each and wait for the other pool get a deadlock error within a second', async () => {
  const [one, two] = [make('one'), make('two')]
  const events: string[] = []
  for (const pool of [one, two]) pool.on('deadlock', ({ pool: name }) => events.push(name))
  const work = [holding(one, two), holding(two, one)]
  expect(await outcomesWithin(1_000, work)).toEqual(['SELECT', 'PoolDeadlockError'])
  expect(events).toEqual(['one'])
  const error = await work[1]!.catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(PoolDeadlockError)
  expect(error).toMatchObject({ executed: 'no', retryable: true })
  expect((error as PoolDeadlockError).message).toContain('budget')
  expect((error as PoolDeadlockError).waitingAt).toContain('budget-deadlock.test')
})

test('T20: so do callbacks of one pool that wait for a pool without a connection, or for a pool at its own max', async () => {
  const [one, none, full] = [make('one'), make('none'), make('full', { max: 1 })]
  expect(await outcomesWithin(1_000, [holding(one, none), holding(one, none)])).toEqual([
    'SELECT',
    'PoolDeadlockError',
  ])
  await clock.advance(20_000)
  const outcomes = await outcomesWithin(1_000, [holding(full, one), holding(one, full)])
  expect(outcomes.sort()).toEqual(['PoolDeadlockError', 'SELECT'])
})

test('T20: waiting for a holder that still works, or that holds by acquire(), is no deadlock', async () => {
  const [one, two] = [make('one'), make('two')]
  const busy = two.use(async (lease) => {
    await lease.query('select 1')
    await new Promise<void>((resolve) => clock.setTimer(resolve, 3_000))
    return 'worked'
  })
  expect(await outcomesWithin(2_500, [holding(one, two), busy])).toEqual(['pending', 'pending'])
  expect(await outcomesWithin(1_000, [busy])).toEqual(['worked'])
  const lease = two.acquire()
  await clock.advance(1_000)
  const waits = holding(one, two)
  expect(await outcomesWithin(2_500, [waits])).toEqual(['pending'])
  ;(await lease).release()
  expect(await outcomesWithin(100, [waits])).toEqual(['SELECT'])
})

test('T20: waiting for an idle connection of another pool, which is reclaimed, is no deadlock', async () => {
  const [one, two, three] = [make('one'), make('two'), make('three')]
  await outcomesWithin(50, [three.query('select 1').then(({ command }) => command)])
  expect(three.stats().idle).toBe(1)
  expect(await outcomesWithin(8_000, [holding(one, two)])).toEqual(['SELECT'])
})

test('T20: an idle connection that counts towards min serves no other pool', async () => {
  const [one, two] = [make('one'), make('two')]
  make('kept', { min: 1 })
  await clock.advance(20)
  expect(await outcomesWithin(1_000, [holding(one, two)])).toEqual(['PoolDeadlockError'])
})
