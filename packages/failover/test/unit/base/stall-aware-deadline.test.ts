import { virtualClock } from '@poolhouse/core/testing'
import { describe, expect, it } from 'vitest'
import { StallAwareDeadline } from '../../../src/base/stall-aware-deadline.js'

describe('StallAwareDeadline', () => {
  it('expires once, after its time', async () => {
    const clock = virtualClock()
    const expired: number[] = []
    new StallAwareDeadline(clock, 400, () => expired.push(clock.now()))
    await clock.advance(1_000)
    expect(expired).toEqual([400])
    expect(clock.pendingTimers).toBe(0)
  })

  it('counts a stall in the middle, which would not make a single long timer late', async () => {
    const clock = virtualClock()
    let late = 0
    const deadline = new StallAwareDeadline(clock, 400, () => {
      late = deadline.lateMs
    })
    await clock.advance(50)
    clock.stall(300)
    await clock.advance(1_000)
    expect(late).toBe(250)
  })

  it('counts a stall that is still going on when it is stopped', async () => {
    const clock = virtualClock()
    const deadline = new StallAwareDeadline(clock, 400, () => {})
    clock.stall(5_000)
    deadline.stop()
    expect(deadline.lateMs).toBe(4_900)
    await clock.advance(1_000)
    expect(clock.pendingTimers).toBe(0)
  })
})
