import { beforeEach, describe, expect, test } from 'vitest'
import { Background } from '../../../src/base/background.js'
import type { ReplicaNode } from '../../../src/nodes/replica-node.js'
import type { SessionToken } from '../../../src/position/session-token.js'
import type { ReadRoute } from '../../../src/route/read-route.js'
import type { Positions } from '../../../src/session/positions.js'
import { SessionMemory } from '../../../src/session/session-memory.js'
import { ManualClock } from '../manual-clock.js'

const node = {} as ReplicaNode
const none: ReadonlySet<ReplicaNode> = new Set()

let clock: ManualClock
/** Where the replica has replayed to. */
let replayed: bigint
/** What a question to the replica shows of its history; no answer if undefined. */
let told: SessionToken | undefined
/** How often a server was asked. */
let questions: number
/** The floors that calls waited for. */
let waits: (SessionToken | undefined)[]
let fitting: readonly ReplicaNode[]
let memory: SessionMemory
/** What the primary says of the session's floor. */
let judged: () => Promise<'kept' | 'open'>

function token(lsn: bigint, more: Partial<SessionToken> = {}): SessionToken {
  return { systemId: '7', timeline: 3, lsn, startedAt: 's', place: 'p', begin: 5n, ...more }
}

const route = {
  choose: (_now: number, _tried: unknown, admits: (node: ReplicaNode) => boolean) =>
    fitting.find(admits),
  fitting: () => fitting,
  admits: () => true,
} as unknown as ReadRoute

beforeEach(() => {
  clock = new ManualClock()
  replayed = 10n
  told = token(10n)
  questions = 0
  waits = []
  fitting = [node]
  judged = async () => 'kept'
  const sampler = {
    incarnation: 1,
    watching: true,
    position: undefined,
    poll: () => {
      questions++
      return told === undefined ? new Promise(() => {}) : Promise.resolve({})
    },
  }
  const positions = {
    history: { epoch: 1, tokenOf: ({ lsn }: { lsn: bigint }) => token(lsn, { timeline: 4 }) },
    askPrimary: async () => ({ lsn: 20n, inRecovery: false, sentAt: clock.now() }),
    judge: () => judged(),
    samplerOf: () => sampler,
    tokenAt: () => told,
    covers: (_node: ReplicaNode, { lsn }: SessionToken) => lsn <= replayed,
    lookAt: async () => {
      questions++
    },
    catchUp: async (_nodes: unknown, floor: SessionToken | undefined) => {
      waits.push(floor)
      return undefined
    },
  }
  const policy = { refused: () => {}, lost: () => {} }
  memory = new SessionMemory(
    positions as unknown as Positions,
    new Background('db', clock),
    policy,
    { waitMs: 50, firstWaitMs: 50 },
  )
})

describe('a session that has seen nothing', () => {
  test('takes any replica that fits, at once', async () => {
    expect(memory.fits(route, 0, none)).toBe(true)
    expect(await memory.isCaughtUp(route, 0)).toBe(true)
    expect(await memory.find(route, none, 1_000, undefined)).toBe(node)
    expect([questions, waits]).toEqual([0, []])
  })

  test('waits for no replica where none fits', async () => {
    fitting = []
    expect(memory.fits(route, 0, none)).toBe(false)
    expect(await memory.find(route, none, 1_000, undefined)).toBeUndefined()
    fitting = [node]
    expect(await memory.later(route, none, 1_000, undefined)).toBeUndefined()
    expect(waits).toEqual([])
  })
})

describe('a session that has seen a position', () => {
  test('takes a replica that has replayed it, and waits for one that has not', async () => {
    memory.see(token(10n))
    expect(memory.fits(route, 0, none)).toBe(true)
    expect(await memory.find(route, none, 1_000, undefined)).toBe(node)
    expect(waits).toEqual([])
    memory.see(token(11n))
    expect(memory.fits(route, 0, none)).toBe(false)
    expect(await memory.find(route, none, 1_000, undefined)).toBeUndefined()
    expect(waits).toEqual([token(11n)])
    replayed = 11n
    expect(await memory.isCaughtUp(route, 0)).toBe(true)
  })

  test('goes on from a position that came from outside along one history', async () => {
    memory.see(token(8n))
    memory.saw(node, 0)
    await memory.settle()
    expect(memory.token).toEqual(token(10n))
  })

  test.each([
    ['another cluster', { systemId: '8' }],
    ['another timeline', { timeline: 4 }],
    ['another timeline of the same number', { begin: 6n }],
  ])('trusts the primary alone once a server shows %s', async (_what, other) => {
    memory.see(token(8n))
    memory.saw(node, 0)
    told = token(10n, other)
    await memory.settle()
    expect(memory.token).toBe('strong')
  })
})

describe('a session that reads from the primary alone', () => {
  test('finds no replica, asks no server and waits for none', async () => {
    memory.see(token(1n))
    memory.see('strong')
    expect(memory.fits(route, 0, none)).toBe(false)
    expect(memory.choose(route, 0)).toBeUndefined()
    expect(memory.chooseBeside(route, 0, none)).toBeUndefined()
    expect(await memory.isCaughtUp(route, 1_000)).toBe(false)
    expect(await memory.find(route, none, 1_000, undefined)).toBeUndefined()
    expect(await memory.later(route, none, 1_000, undefined)).toBeUndefined()
    expect([questions, waits]).toEqual([0, []])
  })

  test('waits for no question that was asked before', async () => {
    memory.saw(node, 0)
    told = undefined
    const finding = memory.find(route, none, 10, undefined)
    for (let ms = 0; ms < 20; ms++) await clock.advance(1)
    expect(await finding).toBeUndefined()
    memory.see('strong')
    expect(await memory.later(route, none, 1_000, undefined)).toBeUndefined()
  })
})

test('a replica fits only once it is known what an answer of it has shown', async () => {
  memory.saw(node, 0)
  expect(memory.fits(route, 0, none)).toBe(false)
  await memory.settle()
  expect(memory.fits(route, 0, none)).toBe(true)
})

describe('a read that the primary has answered', () => {
  test('is not lost where the primary does not say if it has what the session had seen', async () => {
    memory.see(token(10n))
    judged = () => Promise.reject(new Error('no answer within 500 ms'))
    await memory.sawPrimary({})
    // What it has shown has no place that compares with the other, so the next read goes there too.
    expect(memory.token).toBe('strong')
    judged = async () => 'kept'
    await memory.sawPrimary({})
    expect(memory.token).toEqual(token(20n, { timeline: 4 }))
  })
})
