import { describe, expect, test } from 'vitest'
import { LagRing } from '../../../src/base/lag-ring.js'

describe('LagRing', () => {
  test('returns undefined before the first sample', () => {
    expect(new LagRing().reachedAt(5_000n)).toBeUndefined()
  })

  test('returns the time of the newest sample that a replica has reached', () => {
    const ring = new LagRing()
    ring.add('a', 100, 5_000n)
    ring.add('a', 200, 6_000n)
    ring.add('a', 300, 7_000n)
    expect(ring.reachedAt(4_999n)).toBeUndefined()
    expect(ring.reachedAt(5_000n)).toBe(100)
    expect(ring.reachedAt(6_999n)).toBe(200)
    expect(ring.reachedAt(9_000n)).toBe(300)
  })

  test('S41: counts an idle primary as reached up to its last sample', () => {
    const ring = new LagRing()
    for (let at = 0; at <= 60_000; at += 1_000) ring.add('a', at, 5_000n)
    expect(ring.reachedAt(5_000n)).toBe(60_000)
  })

  test.each([
    ['a page', 24n],
    ['the first page of a segment', 40n],
  ])('takes the place behind the header of %s for the end of the page before', (_, header) => {
    const ring = new LagRing()
    ring.add('a', 100, 0x4000000n + header)
    expect(ring.reachedAt(0x4000000n)).toBe(100)
    expect(ring.reachedAt(0x4000000n - 8n)).toBeUndefined()
  })

  test('forgets all samples when the position goes back, because that is another primary', () => {
    const ring = new LagRing()
    ring.add('a', 100, 5_000n)
    ring.add('a', 200, 4_000n)
    expect(ring.reachedAt(4_000n)).toBe(200)
    expect(ring.reachedAt(3_999n)).toBeUndefined()
  })

  test('goes back by less than a commit with its primary, whose last record turned out to commit nothing', () => {
    const ring = new LagRing()
    ring.add('a', 100, 5_000n)
    ring.add('a', 200, 5_064n)
    ring.add('a', 300, 5_032n)
    expect(ring.reachedAt(5_031n)).toBe(100)
    expect(ring.reachedAt(5_032n)).toBe(300)
  })

  test('reaches back 20 000 samples with 256 of them, and never understates the lag', () => {
    const ring = new LagRing()
    for (let at = 0; at < 20_000; at++) ring.add('a', at, BigInt(1_000 * at + 100))
    for (const at of [5, 1_000, 15_000, 19_999]) {
      expect(ring.reachedAt(BigInt(1_000 * at + 100))).toBeLessThanOrEqual(at)
    }
    const kept = new Set(
      Array.from({ length: 20_000 }, (_, at) => ring.reachedAt(BigInt(1_000 * at + 100))),
    )
    expect(kept.size).toBeLessThanOrEqual(256)
    expect(ring.reachedAt(100n)).toBe(0)
    expect(ring.reachedAt(19_999_100n)).toBe(19_999)
  })

  test('bounds staleness by the age of the newest sample that the replica has reached', () => {
    const ring = new LagRing()
    for (const [at, lsn] of [
      [1_000, 10_100n],
      [2_000, 10_200n],
      [3_000, 10_300n],
    ] as const) {
      ring.add('a', at, lsn)
    }
    expect(ring.staleness(10_300n, 3_100)).toBe(100)
    expect(ring.staleness(19_999n, 3_100)).toBe(100)
    expect(ring.staleness(10_299n, 3_100)).toBe(1_100)
    expect(ring.staleness(10_100n, 3_100)).toBe(2_100)
    expect(ring.bytesBehind(10_100n)).toBe(200)
    expect(ring.bytesBehind(10_301n)).toBe(0)
  })

  test('S41: does not report lag while the primary writes nothing', () => {
    const ring = new LagRing()
    for (let at = 0; at <= 60_000; at += 1_000) ring.add('a', at, 10n)
    expect(ring.staleness(10n, 60_500)).toBe(500)
  })

  test('forgets the positions of a former primary or timeline', () => {
    const ring = new LagRing()
    ring.add('1 a', 0, 1_000n)
    ring.add('2 b', 100, 500n)
    expect(ring.staleness(600n, 100)).toBe(0)
    expect(ring.bytesBehind(600n)).toBe(0)
  })

  test('ignores a sample that is older than the newest', () => {
    const ring = new LagRing()
    ring.add('a', 1_000, 20n)
    ring.add('a', 500, 30n)
    expect(ring.bytesBehind(20n)).toBe(0)
  })
})
