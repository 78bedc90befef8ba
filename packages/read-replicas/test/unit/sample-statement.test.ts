import { describe, expect, test } from 'vitest'
import { readSample } from '../../src/sample-statement.js'

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
