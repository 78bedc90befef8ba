import { DatabaseError } from '@poolhouse/core'
import { beforeEach, describe, expect, it, test } from 'vitest'
import { RetryBudget } from '../../../src/calls/retry-budget.js'
import { a, b, clock, failover, makeCluster, ready, watch } from '../support/fake-cluster.js'

describe('the budget', () => {
  test.each([
    [0.1, 100, 10],
    [0.1, 109, 10],
    [0.1, 3, 1],
    [0.25, 100, 25],
    [1, 7, 7],
    [0, 100, 0],
    [Number.POSITIVE_INFINITY, 0, 50],
  ])('of %d has for %i calls %i repetitions', (share, calls, repetitions) => {
    const budget = new RetryBudget(share)
    for (let call = 0; call < calls; call++) budget.count(5_000 + call)
    const spent = Array.from({ length: 50 }, () => budget.spend(5_200)).filter(Boolean)
    expect(spent).toHaveLength(repetitions)
  })

  test('counts the last ten seconds, whatever came before', () => {
    const budget = new RetryBudget(0.1)
    for (let call = 0; call < 100; call++) budget.count(1_000)
    expect([budget.spend(10_999), budget.spend(10_999)]).toEqual([true, true])
    // The calls are forgotten at 11 s, the repetitions at 20 s.
    expect(budget.spend(11_000)).toBe(false)
    expect(budget.spend(19_999)).toBe(false)
    expect(budget.spend(20_000)).toBe(true)
    expect(budget.spend(20_000)).toBe(false)
  })

  test('takes a clock that jumps or stands still', () => {
    const budget = new RetryBudget(0.1)
    budget.count(-5_000)
    expect(budget.spend(-5_000)).toBe(true)
    expect(budget.spend(-5_000)).toBe(false)
    expect(budget.spend(1e9)).toBe(true)
  })

  test('never gives more than its share over a run of any length', () => {
    const budget = new RetryBudget(0.1)
    let spent = 0
    for (let call = 0; call < 5_000; call++) {
      const now = call * 37
      budget.count(now)
      while (budget.spend(now)) spent++
    }
    expect(spent).toBeLessThanOrEqual(501)
    expect(spent).toBeGreaterThan(400)
  })
})

describe('calls that are sent again', () => {
  beforeEach(makeCluster)

  const refused = new DatabaseError('cannot execute INSERT in a read-only transaction', {
    code: '25006',
    severity: 'ERROR',
    routine: 'PreventCommandIfReadOnly',
  })

  async function attemptsOf(calls: number, retryBudget?: number): Promise<number> {
    const pool = failover({ retryBudget })
    await ready(pool)
    let attempts = 0
    a.script = ({ text }) => {
      if (text !== 'insert 1') return undefined
      attempts++
      return { error: refused }
    }
    const ends = Array.from({ length: calls }, () => watch(pool.query('insert 1')))
    await clock.advance(2_000)
    for (const end of ends) expect(end.error).toBe(refused)
    await pool.close()
    return attempts
  }

  it('S82: a primary that refuses everything gets a tenth more attempts, and callers get its error', async () => {
    expect(await attemptsOf(100)).toBe(110)
  })

  it('are sent once more if there are few calls, and never with 0', async () => {
    expect(await attemptsOf(1)).toBe(2)
    makeCluster()
    expect(await attemptsOf(10, 0)).toBe(10)
  })

  it('cost nothing when another server has become primary', async () => {
    const pool = failover({ retryBudget: 0 })
    await ready(pool)
    a.script = ({ text }) => {
      if (text !== 'insert 1') return undefined
      a.inRecovery = true
      b.promote()
      return { error: refused }
    }
    const call = watch(pool.query('insert 1'))
    await clock.advance(1_000)
    expect(call.value).toMatchObject({ node: 'b' })
    await pool.close()
  })

  it('cost nothing when they were not sent before', async () => {
    const pool = failover({ retryBudget: 0 })
    await clock.settle()
    a.mood = 'refusing'
    const calls = [
      watch(pool.query('insert 1')),
      watch(pool.transaction((tx) => tx.query('insert 2'))),
    ]
    await clock.advance(100)
    a.mood = 'up'
    await clock.advance(1_000)
    for (const call of calls) expect(call.value).toMatchObject({ node: 'a' })
    await pool.close()
  })

  it('a declared read without an answer is in doubt when the budget is used up', async () => {
    const pool = failover({ retryBudget: 0 })
    await ready(pool)
    a.script = ({ text }) => (text === 'select 1' ? { lose: 'reset' } : undefined)
    const call = watch(pool.query('select 1', [], { intent: 'read' }))
    await clock.advance(1_000)
    expect(call.error).toMatchObject({ name: 'InDoubtError' })
    await pool.close()
  })

  it('when the budget is used up, a lost transaction is not run again, but one with a conflict is', async () => {
    const pool = failover({ retryBudget: 0 })
    await ready(pool)
    let left = 2
    a.script = ({ text }) => {
      if (text === 'lose') return { lose: 'reset' }
      if (text !== 'conflict' || left-- === 0) return undefined
      return { error: new DatabaseError('conflict', { code: '40001', severity: 'ERROR' }) }
    }
    const retry = { attempts: 3 }
    const lost = watch(pool.transaction((tx) => tx.query('lose'), { retry }))
    const conflict = watch(pool.transaction((tx) => tx.query('conflict'), { retry }))
    await clock.advance(1_000)
    expect(lost.error).toMatchObject({ name: 'ConnectionLostError', executed: 'rolled-back' })
    expect(conflict).toHaveProperty('value')
    await pool.close()
  })
})
