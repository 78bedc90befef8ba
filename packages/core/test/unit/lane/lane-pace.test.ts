import { describe, expect, it } from 'vitest'
import { LanePace } from '../../../src/lane/lane-pace.js'
import type { Slot } from '../../../src/slot/slot.js'

const lent = (answerMs: number): Slot => ({ answerMs }) as Slot

describe('the pace of a lane', () => {
  it('begins with the first question of its first connection', () => {
    const pace = new LanePace()
    expect(pace.tripMs).toBe(0)
    pace.lent(lent(0))
    pace.lent(lent(3))
    pace.lent(lent(2))
    expect(pace.tripMs).toBe(3)
  })

  it('takes the quickest answer for the time on the way, which may grow again', () => {
    const pace = new LanePace()
    pace.lent(lent(3))
    pace.answered(100, 0.5, 0)
    expect(pace.tripMs).toBe(0.5)
    for (let answer = 0; answer < 5_000; answer++) pace.answered(200, 2.5, 0)
    expect(pace.tripMs).toBeGreaterThan(2)
    expect(pace.tripMs).toBeLessThan(2.5)
  })

  it('tells what has waited for this process from what was waited for', () => {
    const pace = new LanePace()
    pace.worked(100)
    expect(pace.answered(100.01, 0.1, 0)).toBe(true)
    expect(pace.answered(101, 0.1, 0)).toBe(false)
  })

  it('is busy when most answers have waited, and no longer when they do not', () => {
    const pace = new LanePace()
    const see = (answers: number, afterMs: number): void => {
      for (let answer = 0; answer < answers; answer++) {
        pace.worked(100)
        pace.answered(100 + afterMs, 0.1, 0)
      }
    }
    see(10, 0.01)
    expect(pace.isBusy).toBe(false)
    see(50, 0.01)
    expect(pace.isBusy).toBe(true)
    see(30, 1)
    expect(pace.isBusy).toBe(false)
  })

  it('calls late what takes ten milliseconds, and four times what is usual', () => {
    const pace = new LanePace()
    expect(pace.lateMs).toBe(10)
    for (let answer = 0; answer < 200; answer++) pace.answered(100, 1, 21)
    expect(pace.lateMs).toBeGreaterThan(75)
    expect(pace.lateMs).toBeLessThan(85)
  })
})
