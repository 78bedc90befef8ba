import { describe, expect, test } from 'vitest'
import { LagRing } from '../../src/lag-ring.js'
import { readSample } from '../../src/sample-statement.js'

describe('LagRing', () => {
  test('knows nothing before the first sample', () => {
    expect(new LagRing().reachedAt(5_000n)).toBeUndefined()
  })

  test('says until when a replica has everything: the newest sample it has reached', () => {
    const ring = new LagRing()
    ring.add(100, 5_000n)
    ring.add(200, 6_000n)
    ring.add(300, 7_000n)
    expect(ring.reachedAt(4_999n)).toBeUndefined()
    expect(ring.reachedAt(5_000n)).toBe(100)
    expect(ring.reachedAt(6_999n)).toBe(200)
    expect(ring.reachedAt(9_000n)).toBe(300)
  })

  test('S41: counts an idle primary as reached up to its last sample', () => {
    const ring = new LagRing()
    for (let at = 0; at <= 60_000; at += 1_000) ring.add(at, 5_000n)
    expect(ring.reachedAt(5_000n)).toBe(60_000)
  })

  test.each([
    ['a page', 24n],
    ['the first page of a segment', 40n],
  ])('takes the place behind the header of %s for the end of the page before', (_, header) => {
    const ring = new LagRing()
    ring.add(100, 0x4000000n + header)
    expect(ring.reachedAt(0x4000000n)).toBe(100)
    expect(ring.reachedAt(0x4000000n - 8n)).toBeUndefined()
  })

  test('forgets everything when the position goes back: it is another primary', () => {
    const ring = new LagRing()
    ring.add(100, 5_000n)
    ring.add(200, 4_000n)
    expect(ring.reachedAt(4_000n)).toBe(200)
    expect(ring.reachedAt(3_999n)).toBeUndefined()
  })

  test('reaches hours back in bounded memory, and never makes anybody look younger', () => {
    const ring = new LagRing()
    for (let at = 0; at < 20_000; at++) ring.add(at, BigInt(1_000 * at + 100))
    for (const at of [5, 1_000, 15_000, 19_999]) {
      expect(ring.reachedAt(BigInt(1_000 * at + 100))).toBeLessThanOrEqual(at)
    }
    expect(ring.reachedAt(100n)).toBe(0)
    expect(ring.reachedAt(19_999_100n)).toBe(19_999)
  })
})

describe('readSample', () => {
  test('reads rows as they are and as text', () => {
    const asText = { in_recovery: 't', lsn: '1/20', replay_paused: 'f' }
    expect(readSample({ rows: [asText] })).toEqual({
      inRecovery: true,
      lsn: 0x100000020n,
      replayPaused: false,
    })
    expect(readSample({ rows: [{ in_recovery: false, lsn: null, replay_paused: true }] })).toEqual({
      inRecovery: false,
      lsn: undefined,
      replayPaused: true,
    })
  })

  test('refuses an answer without a role', () => {
    expect(() => readSample({ rows: [] })).toThrow(TypeError)
  })
})
