import type { ConnectionPool } from '@poolhouse/core'
import type { BudgetedPool } from '@poolhouse/core/kit'
import { virtualClock } from '@poolhouse/core/testing'
import { expect, test } from 'vitest'
import { Budgets } from '../../../src/budget/budgets.js'

const endpoint = { host: 'db', port: 5432, database: 'app', user: 'u' }

interface Heard {
  readonly pool: ConnectionPool
  /** The events that are listened to. */
  readonly events: Set<string>
}

function heard(pooler?: string): Heard {
  const events = new Set<string>()
  const pool = {
    endpoint,
    pooler,
    on(event: string) {
      events.add(event)
      return pool
    },
    off(event: string) {
      events.delete(event)
      return pool
    },
  }
  return { pool: pool as unknown as ConnectionPool, events }
}

test('asks over a pool as long as it is watched', () => {
  const budgets = new Budgets(virtualClock(), {})
  const { pool, events } = heard()
  budgets.watch(pool)
  expect([...events].sort()).toEqual(['connect', 'error'])
  budgets.unwatch(pool)
  expect([...events]).toEqual([])
})

test('asks nothing where a limit is configured, or where a pooler has its own', () => {
  const fixed = heard()
  new Budgets(virtualClock(), { perServer: 4 }).watch(fixed.pool)
  new Budgets(virtualClock(), { servers: { 'db:5432': 4 } }).watch(fixed.pool)
  const behind = heard('pgbouncer')
  new Budgets(virtualClock(), {}).watch(behind.pool)
  expect([...fixed.events, ...behind.events]).toEqual([])
})

test('leaves other processes what they have once the server was full, and counts none of its own', () => {
  const budgets = new Budgets(virtualClock(), {})
  const pool = { endpoint, wanted: () => 0, idleSince: () => undefined }
  const seat = budgets.weighing(1).join(pool as unknown as BudgetedPool)
  expect([seat.take(), seat.take()]).toEqual([true, true])
  seat.outside(3)
  const answer = { allowed: 100, sessions: 65, instances: 1 }
  expect(budgets.learn(endpoint, answer, false)).toBe(false)
  expect(budgets.limitOf(endpoint)).toBe(90)
  // 60 of the 65 sessions belong to others.
  expect(budgets.learn(endpoint, answer, true)).toBe(true)
  expect(budgets.limitOf(endpoint)).toBe(40)
  expect(budgets.learn(endpoint, { ...answer, sessions: 4 }, true)).toBe(false)
  expect(budgets.limitOf(endpoint)).toBe(90)
})
