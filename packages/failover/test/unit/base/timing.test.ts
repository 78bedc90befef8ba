import { virtualClock } from '@poolhouse/core/testing'
import { describe, expect, it } from 'vitest'
import { awaitUntil } from '../../../src/base/await-until.js'
import { StallAwareDeadline } from '../../../src/base/stall-aware-deadline.js'
import { probeDelay } from '../../../src/probe/probe-delay.js'

describe('the time between probes', () => {
  const calm = {
    intervalMs: 1_000,
    urgent: false,
    failures: 0,
    sinceSentMs: 0,
    deadAfter: 2,
    denials: 0,
    unknownForMs: undefined,
    random: 0.5,
  }

  it('is the interval ± 20 % while all is well', () => {
    expect(probeDelay({ ...calm, random: 0 })).toBe(800)
    expect(probeDelay({ ...calm, random: 1 })).toBeCloseTo(1_200)
  })

  it('is 100 to 250 ms while there is no primary, or less if the interval is shorter', () => {
    expect(probeDelay({ ...calm, urgent: true, random: 0 })).toBe(100)
    expect(probeDelay({ ...calm, urgent: true, random: 1 })).toBe(250)
    expect(probeDelay({ ...calm, urgent: true, intervalMs: 50 })).toBe(50)
  })

  it('is 0 after a first silence, 100 ms after a quick failure, and the interval once the node is dead', () => {
    expect(probeDelay({ ...calm, failures: 1, sinceSentMs: 400 })).toBe(0)
    expect(probeDelay({ ...calm, failures: 1, sinceSentMs: 1 })).toBe(99)
    expect(probeDelay({ ...calm, failures: 2 })).toBe(1_000)
  })

  it('T93: is half the time for which the lag of the replica has been unknown, from 10 ms to the interval', () => {
    const delays = [0, 10, 100, 1_000, 5_000].map((unknownForMs) =>
      probeDelay({ ...calm, urgent: true, unknownForMs }),
    )
    expect(delays).toEqual([10, 10, 50, 500, 1_000])
  })

  it('grows to 10 s while the password is refused, however urgent', () => {
    const delays = [1, 2, 3, 4, 5, 9].map((denials) =>
      probeDelay({ ...calm, urgent: true, denials }),
    )
    expect(delays).toEqual([1_000, 2_000, 4_000, 8_000, 10_000, 10_000])
  })
})

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

describe('awaitUntil', () => {
  it.each([
    ['the work settles', 10],
    ['the deadline passes', 100],
    ['the signal fires', 50],
  ])('resolves when %s', async (title, expected) => {
    const clock = virtualClock()
    const abort = new AbortController()
    const work = new Promise<void>((_resolve, reject) => {
      if (title === 'the work settles') clock.setTimer(() => reject(new Error('x')), 10)
    })
    if (title === 'the signal fires') clock.setTimer(() => abort.abort(), 50)
    let at: number | undefined
    void awaitUntil(clock, 100, abort.signal, work).then(() => {
      at = clock.now()
    })
    await clock.advance(200)
    expect(at).toBe(expected)
  })
})
