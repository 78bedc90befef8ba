import { describe, expect, it } from 'vitest'
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
