import { describe, expect, test } from 'vitest'
import { readSample } from '../../../src/position/sample-statement.js'

describe('readSample', () => {
  test('reads rows of typed values and rows of text', () => {
    const asText = {
      in_recovery: 't',
      lsn: '1/20',
      replay_paused: 'f',
      system_id: '7000000000000000001',
      timeline: '2',
      received_timeline: null,
      receiving: 't',
    }
    expect(readSample({ rows: [asText] })).toEqual({
      inRecovery: true,
      lsn: 0x100000020n,
      replayPaused: false,
      receiving: true,
      receiver: undefined,
      receivedLsn: undefined,
      startedAt: undefined,
      place: undefined,
      tellsPast: false,
      past: undefined,
      systemId: '7000000000000000001',
      timeline: 2,
      timelineExact: false,
      backendPid: undefined,
    })
    expect(readSample({ rows: [{ in_recovery: false, lsn: null, replay_paused: true }] })).toEqual({
      inRecovery: false,
      lsn: undefined,
      replayPaused: true,
      receiving: undefined,
      receiver: undefined,
      receivedLsn: undefined,
      startedAt: undefined,
      place: undefined,
      tellsPast: false,
      past: undefined,
      systemId: undefined,
      timeline: undefined,
      timelineExact: false,
      backendPid: undefined,
    })
  })

  test('marks the timeline of a primary as exact, and that of a standby that shows its receiver', () => {
    const primary = { in_recovery: false, lsn: '0/1', system_id: '7', timeline: 3 }
    expect(readSample({ rows: [primary] })).toMatchObject({ timeline: 3, timelineExact: true })
    const standby = { in_recovery: true, lsn: '0/1', system_id: '7', timeline: 2 }
    expect(readSample({ rows: [{ ...standby, received_timeline: 3 }] })).toMatchObject({
      timeline: 3,
      timelineExact: true,
    })
    expect(readSample({ rows: [standby] })).toMatchObject({ timeline: 2, timelineExact: false })
  })

  test('refuses an answer that does not tell the role', () => {
    expect(() => readSample({ rows: [] })).toThrow(TypeError)
  })
})
