import { TimelinePast } from '@poolhouse/core/kit'
import { describe, expect, test } from 'vitest'
import { History } from '../../../src/position/history.js'
import type { NodeSampler } from '../../../src/position/node-sampler.js'
import type { Position } from '../../../src/position/position.js'
import type { SampleFacts } from '../../../src/position/sample-statement.js'

const said = (sentAt: number, timeline = 1, systemId = '7'): Position => ({
  systemId,
  timeline,
  exact: true,
  lsn: 1n,
  inRecovery: false,
  sentAt,
  begin: undefined,
  startedAt: undefined,
  place: undefined,
  past: undefined,
})

const factsOf = ({ systemId, timeline, lsn }: Position): SampleFacts => ({
  systemId,
  timeline,
  timelineExact: true,
  lsn,
  inRecovery: true,
  replayPaused: false,
  past: undefined,
  tellsPast: false,
  receiver: 1,
  receiving: true,
  startedAt: undefined,
  place: undefined,
  backendPid: undefined,
})

test('the confirmation of the primary is as fresh as its latest answer, in whatever order answers arrive', () => {
  const history = new History(() => undefined)
  history.primarySaid(said(10_000))
  // The answer to a write that waited long for its connection.
  history.primarySaid(said(5_000))
  expect(history.confirmed(11_000)).toBe(true)
  expect(history.confirmed(20_000)).toBe(false)
})

test('the confirmation of one timeline does not count for the next, nor for another cluster', () => {
  const history = new History(() => undefined)
  history.primarySaid(said(10_000))
  history.primarySaid(said(5_000, 2))
  expect(history.confirmed(11_000)).toBe(false)
  history.primarySaid(said(10_900, 2))
  expect(history.confirmed(11_000)).toBe(true)
  // A former primary.
  history.primarySaid(said(30_000, 1))
  expect(history.confirmed(31_000)).toBe(false)
  history.primarySaid(said(30_000, 1, '8'))
  expect(history.confirmed(31_000)).toBe(true)
  history.primarySaid(said(20_000, 1, '9'))
  expect(history.confirmed(31_000)).toBe(false)
})

test.each([
  [undefined, true],
  [0x100n, true],
  [0x200n, false],
])(
  'T65: without a primary a replica whose timeline began at %s covers a token of one that began at 256: %s',
  (begin, covered) => {
    const history = new History(() => undefined)
    const position = { ...said(0, 2), inRecovery: true, lsn: 0x500n, begin }
    const token = { ...position, lsn: 0x400n, begin: 0x100n }
    expect(history.covers({ position } as NodeSampler, token, 0)).toBe(covered)
  },
)

test.each([
  [1, false],
  [2, true],
  [3, false],
])(
  'T100: without a primary a replica on timeline %i covers a token of timeline 2 before its position: %s',
  (timeline, covered) => {
    const history = new History(() => undefined)
    const position = { ...said(0, timeline), inRecovery: true, lsn: 0x500n }
    const token = { ...said(0, 2), lsn: 0x400n }
    expect(history.covers({ position } as NodeSampler, token, 0)).toBe(covered)
  },
)

describe('a primary on timeline 2, which began at 256', () => {
  const history = new History(() => undefined)
  const whole = TimelinePast.read(2, '1\t0/100\tno recovery target specified\n')
  const begin = TimelinePast.begunAt(2, 0x100n)

  test.each([
    [1, 0xffn, 'kept'],
    [1, 0x100n, 'kept'],
    [1, 0x101n, 'lost'],
    [2, 0x4ffn, 'kept'],
    [2, 0x500n, 'kept'],
    [2, 0x501n, 'lost'],
    [3, 0x50n, 'lost'],
    [3, 0x400n, 'lost'],
  ] as const)('T100: calls a token of timeline %i at %s %s', (timeline, lsn, verdict) => {
    for (const past of [whole, begin]) {
      const position = { ...said(0, 2), lsn: 0x500n, past }
      expect(history.judge(position, { ...said(0, timeline), lsn })).toBe(verdict)
    }
  })

  test.each([
    [1, 0x100n, true],
    [1, 0x101n, false],
    [2, 0x500n, true],
    [2, 0x501n, false],
    [3, 0x50n, false],
    [3, 0x400n, false],
  ] as const)(
    'T100: has a replica at 1280 that covers a token of timeline %i at %s: %s',
    (timeline, lsn, covered) => {
      for (const past of [whole, begin]) {
        const followed = new History(() => undefined)
        followed.primarySaid({ ...said(0, 2), lsn: 0x500n, past })
        const position = { ...said(0, 2), inRecovery: true, lsn: 0x500n }
        const sampler = { position } as NodeSampler
        followed.followerSaid(sampler, factsOf(position), 0)
        expect(followed.standingOf(sampler)?.kind).toBe('comparable')
        const token = { ...said(0, timeline), lsn }
        expect(followed.covers(sampler, token, 0)).toBe(covered)
      }
    },
  )
})
