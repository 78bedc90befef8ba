import { expect, test } from 'vitest'
import { History } from '../../../src/position/history.js'
import type { NodeSampler } from '../../../src/position/node-sampler.js'
import type { Position } from '../../../src/position/position.js'

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
