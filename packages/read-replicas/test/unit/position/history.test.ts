import type { Topology } from '@poolhouse/core'
import { TimelinePast } from '@poolhouse/core/kit'
import { describe, expect, test } from 'vitest'
import { History } from '../../../src/position/history.js'
import type { NodeSampler } from '../../../src/position/node-sampler.js'
import type { Position } from '../../../src/position/position.js'
import type { SampleFacts } from '../../../src/position/sample-statement.js'
import { type SessionToken, tokenAt } from '../../../src/position/session-token.js'

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
  receivedLsn: undefined,
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

/** A topology whose primary is this node on this timeline. */
function topologyOf(id: string | undefined, timeline: number, systemId = '7'): Topology {
  const primary = id === undefined ? undefined : { id }
  return { current: { systemId, timeline, primary } } as unknown as Topology
}

/** A standby that has answered with this position. */
function followerAt(
  history: History,
  changes: Partial<Position> & { readonly incarnation?: number; readonly watching?: boolean } = {},
  answeredAt = 0,
): { -readonly [K in keyof NodeSampler]?: NodeSampler[K] } & NodeSampler {
  const { incarnation = 1, watching = false, ...rest } = changes
  const position = { ...said(0), inRecovery: true, lsn: 0x500n, ...rest }
  const sampler = { position, incarnation, watching } as unknown as NodeSampler
  const { startedAt, place } = position
  history.followerSaid(sampler, { ...factsOf(position), startedAt, place }, answeredAt)
  return sampler
}

describe('the epoch', () => {
  test('changes with the history of the primary and with the primary of the topology', () => {
    let topology = topologyOf('a', 1)
    const history = new History(() => topology)
    const epochs = [history.epoch]
    const note = (): void => void epochs.push(history.epoch)
    history.primarySaid(said(1_000))
    note()
    history.primarySaid(said(2_000))
    note()
    history.primarySaid(said(3_000, 2))
    note()
    topology = topologyOf('a', 1)
    note()
    topology = topologyOf('b', 1)
    note()
    topology = topologyOf('b', 2)
    note()
    topology = topologyOf('b', 2, '8')
    note()
    topology = topologyOf(undefined, 2, '8')
    note()
    expect(epochs).toEqual([0, 1, 1, 2, 2, 3, 4, 5, 5])
  })
})

describe('the history of the present primary', () => {
  test('is confirmed for as long as a topology shows its primary on its timeline', () => {
    let topology: Topology | undefined = topologyOf('a', 1)
    const history = new History(() => topology)
    expect(history.confirmed(0)).toBe(false)
    history.primarySaid(said(0))
    expect(history.confirmed(100_000)).toBe(true)
    topology = topologyOf(undefined, 1)
    expect(history.confirmed(100_000)).toBe(false)
    expect(history.confirmed(2_000)).toBe(true)
    expect(history.confirmed(2_001)).toBe(false)
    topology = undefined
    expect(history.confirmed(2_000)).toBe(true)
  })

  test('must be told anew after the topology shows another primary, and not by the former one', () => {
    let topology = topologyOf('a', 1)
    const history = new History(() => topology)
    history.primarySaid(said(0))
    const sampler = followerAt(history)
    const token = { ...said(0), lsn: 0x400n }
    expect(history.covers(sampler, token, 0)).toBe(true)
    topology = topologyOf('b', 2)
    expect(history.confirmed(0)).toBe(false)
    expect(history.covers(sampler, token, 0)).toBe(false)
    history.primarySaid(said(10))
    expect(history.confirmed(10)).toBe(false)
    history.primarySaid(said(20, 2))
    expect(history.confirmed(20)).toBe(true)
  })
})

describe('a replica in the history of the primary', () => {
  const token = { ...said(0), lsn: 0x400n }

  test('covers no token of another cluster and none beyond its position', () => {
    const history = new History(() => undefined)
    history.primarySaid(said(0))
    const sampler = followerAt(history)
    expect(history.covers(sampler, token, 0)).toBe(true)
    expect(history.covers(sampler, { ...token, lsn: 0x500n }, 0)).toBe(true)
    expect(history.covers(sampler, { ...token, lsn: 0x501n }, 0)).toBe(false)
    expect(history.covers(sampler, { ...token, systemId: '8' }, 0)).toBe(false)
    expect(history.covers(undefined, token, 0)).toBe(false)
    expect(history.covers({} as NodeSampler, token, 0)).toBe(false)
  })

  test('covers nothing before its first answer, and nothing of a history that began elsewhere', () => {
    const history = new History(() => undefined)
    history.primarySaid({ ...said(0, 2), begin: 0x10n })
    const silent = { position: { ...said(0, 2), lsn: 0x500n } } as NodeSampler
    expect(history.covers(silent, { ...token, timeline: 2 }, 0)).toBe(false)
    const sampler = followerAt(history, { timeline: 2 })
    const begunAt = (begin: bigint): SessionToken => tokenAt({ ...said(0, 2), begin }, 0x400n)
    expect(history.covers(sampler, begunAt(0x10n), 0)).toBe(true)
    expect(history.covers(sampler, begunAt(0x20n), 0)).toBe(false)
  })

  test('that does not tell its timeline has what the primary vouched for, until it is restarted', () => {
    const life = { exact: false, startedAt: '1', place: '10.0.0.2:5432' }
    const history = new History(() => undefined)
    history.primarySaid({ ...said(0), lsn: 0x500n })
    const sampler = followerAt(history, life)
    expect(history.covers(sampler, token, 10_000)).toBe(true)
    expect(history.covers(sampler, { ...token, lsn: 0x500n }, 10_000)).toBe(true)
    const later = { ...said(0), ...life, lsn: 0x600n }
    const grown = Object.assign(sampler, { position: later })
    expect(history.covers(grown, { ...token, lsn: 0x501n }, 10_000)).toBe(false)
    expect(history.covers(grown, { ...token, lsn: 0x501n }, 1_000)).toBe(true)
    for (const other of [{ startedAt: '2' }, { place: '10.0.0.3:5432' }]) {
      const restarted = Object.assign(sampler, { position: { ...later, ...other } })
      expect(history.covers(restarted, token, 10_000)).toBe(false)
    }
    history.forget(sampler)
    expect(history.covers(sampler, token, 0)).toBe(false)
  })

  test('that does not even tell its start must have been watched by one session since then', () => {
    const history = new History(() => undefined)
    history.primarySaid({ ...said(0), lsn: 0x500n })
    const sampler = followerAt(history, { exact: false, watching: true })
    expect(history.covers(sampler, token, 10_000)).toBe(true)
    expect(history.covers(Object.assign(sampler, { watching: false }), token, 10_000)).toBe(false)
    const again = { watching: true, incarnation: 2 }
    expect(history.covers(Object.assign(sampler, again), token, 10_000)).toBe(false)
  })

  test('is not vouched for by an answer after the last word of the primary has grown old', () => {
    const history = new History(() => undefined)
    history.primarySaid({ ...said(0), lsn: 0x500n })
    const sampler = followerAt(history, { exact: false, startedAt: '1' }, 5_000)
    expect(history.covers(sampler, token, 10_000)).toBe(false)
  })
})

describe('the token of a standby', () => {
  const position = { ...said(0), lsn: 0x500n }

  test('has no names of a history that is not known', () => {
    const history = new History(() => undefined)
    const bare = { systemId: '7', timeline: 1, lsn: 0x500n, begin: undefined }
    const nameless = { ...bare, startedAt: undefined, place: undefined }
    expect(history.tokenOfFollower({} as NodeSampler, position)).toEqual(nameless)
    history.primarySaid({ ...said(0), begin: 0x10n })
    expect(history.tokenOfFollower({} as NodeSampler, position)).toEqual(nameless)
  })

  test('has the names of the present history on its timeline, and there is none of a server apart', () => {
    const history = new History(() => undefined)
    history.primarySaid({ ...said(0, 2), begin: 0x10n, lsn: 0x600n })
    const sampler = followerAt(history, { timeline: 2 })
    const token = history.tokenOfFollower(sampler, { ...position, timeline: 2 })
    expect(token).toMatchObject({ systemId: '7', timeline: 2, lsn: 0x500n, begin: 0x10n })
    const foreign = followerAt(history, { systemId: '8', timeline: 2 })
    expect(history.tokenOfFollower(foreign, { ...position, systemId: '8' })).toBeUndefined()
  })
})

test('a server is of one history with a primary whose system, timeline and begin are its own', () => {
  const history = new History(() => undefined)
  history.primarySaid({ ...said(0, 2), begin: 0x10n, lsn: 0x600n })
  const standby = followerAt(history, { timeline: 2 })
  const primary = { position: { ...said(0, 2), begin: 0x10n } } as NodeSampler
  const asked = { ...said(0, 2), begin: 0x10n }
  for (const server of [standby, primary]) {
    expect(history.isOfOneHistory(server, asked)).toBe(true)
    expect(history.isOfOneHistory(server, { ...asked, timeline: 3 })).toBe(false)
    expect(history.isOfOneHistory(server, { ...asked, begin: 0x20n })).toBe(false)
  }
  expect(history.isOfOneHistory({} as NodeSampler, asked)).toBe(false)
})
