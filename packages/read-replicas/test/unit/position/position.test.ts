import { expect, test } from 'vitest'
import { positionOf } from '../../../src/position/position.js'
import type { SampleFacts } from '../../../src/position/sample-statement.js'

const FACTS: SampleFacts = {
  systemId: '7',
  timeline: 2,
  timelineExact: true,
  lsn: 5n,
  inRecovery: true,
  replayPaused: false,
  past: undefined,
  tellsPast: false,
  receiver: 1,
  receivedLsn: undefined,
  receiving: true,
  startedAt: '1',
  place: '10.0.0.1:5432',
  backendPid: undefined,
}

test('a sample tells a position if it has the system, the timeline and the place in the log', () => {
  expect(positionOf(FACTS, 9)).toMatchObject({
    systemId: '7',
    timeline: 2,
    exact: true,
    lsn: 5n,
    inRecovery: true,
    sentAt: 9,
  })
  for (const lacking of ['systemId', 'timeline', 'lsn']) {
    expect(positionOf({ ...FACTS, [lacking]: undefined }, 9), lacking).toBeUndefined()
  }
})
