import { describe, expect, it } from 'vitest'
import { LagRing } from '../../src/lag-ring.js'

describe('LagRing', () => {
  it('knows nothing before the first sample, and nothing of a replica that has reached none', () => {
    const ring = new LagRing()
    expect(ring.staleness(10n, 0)).toBeUndefined()
    expect(ring.bytesBehind(10n)).toBeUndefined()
    ring.add('a', 100, 50n)
    expect(ring.staleness(49n, 200)).toBeUndefined()
    expect(ring.bytesBehind(49n)).toBe(1)
  })

  it('bounds staleness by the age of the newest sample that the replica has reached', () => {
    const ring = new LagRing()
    for (const [at, lsn] of [
      [1_000, 10n],
      [2_000, 20n],
      [3_000, 30n],
    ] as const) {
      ring.add('a', at, lsn)
    }
    expect(ring.staleness(30n, 3_100)).toBe(100)
    expect(ring.staleness(99n, 3_100)).toBe(100)
    expect(ring.staleness(29n, 3_100)).toBe(1_100)
    expect(ring.staleness(10n, 3_100)).toBe(2_100)
    expect(ring.bytesBehind(10n)).toBe(20)
    expect(ring.bytesBehind(31n)).toBe(0)
  })

  it('S41: makes nobody late while the primary writes nothing', () => {
    const ring = new LagRing()
    for (let at = 0; at <= 60_000; at += 1_000) ring.add('a', at, 10n)
    expect(ring.staleness(10n, 60_500)).toBe(500)
  })

  it('forgets the positions of a former primary or timeline', () => {
    const ring = new LagRing()
    ring.add('1 a', 0, 1_000n)
    ring.add('2 b', 100, 500n)
    expect(ring.staleness(600n, 100)).toBe(0)
    expect(ring.bytesBehind(600n)).toBe(0)
  })

  it('ignores a sample that is older than the newest', () => {
    const ring = new LagRing()
    ring.add('a', 1_000, 20n)
    ring.add('a', 500, 30n)
    expect(ring.bytesBehind(20n)).toBe(0)
  })

  it('stays small on a busy primary', () => {
    const ring = new LagRing()
    for (let i = 0; i < 10_000; i++) ring.add('a', i, BigInt(i))
    expect(ring.staleness(9_990n, 9_999)).toBe(9)
    expect(ring.staleness(1n, 9_999)).toBeUndefined()
  })
})
