import { ConnectError, createPool } from '@poolhouse/core'
import {
  type FakeDriver,
  fakeDriver,
  type VirtualClock,
  virtualClock,
} from '@poolhouse/core/testing'
import { beforeEach, expect, test, vi } from 'vitest'
import { Census } from '../../../src/budget/census.js'
import { type BudgetOptions, createManager, type Manager } from '../../../src/index.js'

let clock: VirtualClock
let driver: FakeDriver
let answer: { allowed: number; sessions: number; instances: number }
let isFull: boolean
let names: string[]

beforeEach(() => {
  clock = virtualClock()
  answer = { allowed: 100, sessions: 1, instances: 1 }
  isFull = false
  names = []
  driver = fakeDriver({
    clock,
    onConnect: (_attempt, { settings }) => {
      names.push(settings.applicationName)
      if (!isFull) return undefined
      return new ConnectError('too many clients', { endpoint: 'localhost', sqlState: '53300' })
    },
    onStatement: ({ text }) => (text.includes('max_connections') ? { rows: [answer] } : undefined),
  })
})

function manage(budget: BudgetOptions = {}): Manager<{ app: { primary: object } }> {
  return createManager({
    drivers: { fake: driver },
    databases: { app: { primary: { host: 'localhost', user: 'u' }, pool: { max: 20 } } },
    budget,
    clock,
    random: () => 0.5,
  })
}

const limitOf = (manager: Pick<Manager, 'stats'>): number | undefined =>
  Object.values(manager.stats().servers)[0]?.limit

test('takes 90 % of what the server allows, asked with the first connection', async () => {
  const manager = manage()
  const db = manager.database('app')
  await db.query('select 1')
  await clock.settle()
  expect(limitOf(manager)).toBe(90)
  await manager.close()
})

test('F24: a full server is asked again, and the budget leaves other clients what they have', async () => {
  const manager = manage()
  const db = manager.database('app')
  const lease = await db.acquire()
  // The question has opened a second connection.
  await clock.settle()
  const other = await db.acquire()
  isFull = true
  answer = { allowed: 100, sessions: 98, instances: 1 }
  const waiting = db.acquire()
  await clock.advance(2_000)
  // The question is served before the waiting call.
  lease.release()
  ;(await waiting).release()
  await clock.settle()
  // Other clients have 96.
  expect(limitOf(manager)).toBe(4)
  other.release()
  isFull = false
  answer = { allowed: 100, sessions: 1, instances: 1 }
  await clock.advance(61_000)
  expect(limitOf(manager)).toBe(90)
  await manager.close()
})

test('asks again with the first new connection once the answer is old', async () => {
  const manager = manage()
  const db = manager.database('app')
  await db.query('select 1')
  await clock.settle()
  answer = { allowed: 50, sessions: 1, instances: 1 }
  await clock.advance(400_000)
  await db.query('select 1')
  await clock.settle()
  expect(limitOf(manager)).toBe(45)
  await manager.close()
})

test('processes that discover each other share the connections of a server, and adjust when one comes or goes', async () => {
  const manager = manage({ instances: 'discover' })
  const db = manager.database('app')
  answer = { allowed: 100, sessions: 5, instances: 3 }
  await db.query('select 1')
  await clock.settle()
  expect(limitOf(manager)).toBe(30)
  expect(names.filter((name) => /^poolhouse-instance [0-9a-f]{16}$/.test(name))).toHaveLength(1)
  answer = { allowed: 100, sessions: 5, instances: 2 }
  await clock.advance(11_000)
  expect(limitOf(manager)).toBe(45)
  expect(Object.values(manager.stats().servers)[0]).toMatchObject({ beside: 1 })
  await manager.close()
  expect(driver.open.size).toBe(0)
  expect(clock.pendingTimers).toBe(0)
})

test('the session by which other processes count this one is opened again after a loss', async () => {
  const manager = manage({ instances: 'discover' })
  await manager.database('app').query('select 1')
  await clock.settle()
  for (const connection of [...driver.open]) connection.lose('terminated')
  await clock.advance(11_000)
  expect(names.filter((name) => name.startsWith('poolhouse-instance '))).toHaveLength(2)
  expect(new Set(names.filter((name) => name.startsWith('poolhouse-instance '))).size).toBe(1)
  await manager.close()
})

test('hears no events of a pool that has moved away, and each event once after it has returned', async () => {
  const census = new Census({ clock, random: () => 0.5, discover: false, learn: () => false })
  const pool = createPool({ driver, connection: 'postgres://u@localhost/d', clock })
  const began = vi.spyOn(pool, 'on')
  const ended = vi.spyOn(pool, 'off')
  for (let round = 0; round < 3; round++) {
    census.add(pool)
    census.add(pool)
    census.remove(pool)
  }
  // Two listeners in each round, both removed again.
  expect(began).toHaveBeenCalledTimes(6)
  expect(ended.mock.calls).toEqual(began.mock.calls)
  census.stop()
  await pool.close()
})
