import { expect, test } from 'vitest'
import type { NodeSampler } from '../../../src/position/node-sampler.js'
import type { Position } from '../../../src/position/position.js'
import type { SessionToken } from '../../../src/position/session-token.js'
import type { Positions } from '../../../src/session/positions.js'
import { SeenServers } from '../../../src/session/seen-servers.js'

interface FakeSampler {
  incarnation: number
  position: { sentAt: number; lsn: bigint } | undefined
  poll: () => Promise<unknown>
}

const fake = (sampler: NodeSampler): FakeSampler => sampler as unknown as FakeSampler

const tokenOf = (lsn: bigint): SessionToken => ({ lsn }) as SessionToken

function setUp() {
  const primary = { lsn: 99n, fails: false, isOfOneHistory: true }
  const positions = {
    tokenAt: (_sampler: unknown, { lsn }: { lsn: bigint }) => (lsn < 0n ? undefined : tokenOf(lsn)),
    askPrimary: async () => {
      if (primary.fails) throw new Error('no primary')
      return primary
    },
    history: {
      tokenOf: ({ lsn }: { lsn: bigint }) => tokenOf(lsn),
      isOfOneHistory: () => primary.isOfOneHistory,
    },
  }
  const servers = new SeenServers(positions as unknown as Positions)
  const make = (polled: bigint): NodeSampler => {
    const made: FakeSampler = {
      incarnation: 1,
      position: undefined,
      poll: async () => ({ lsn: polled }),
    }
    return made as unknown as NodeSampler
  }
  const settled: bigint[] = []
  const settle = async (): Promise<(bigint | 'lost')[]> => {
    const told: (bigint | 'lost')[] = []
    await servers.settle(
      ({ lsn }) => told.push(lsn),
      () => told.push('lost'),
    )
    return told
  }
  const known = (): bigint[] => {
    settled.length = 0
    servers.settleKnown(({ lsn }) => settled.push(lsn))
    return [...settled]
  }
  return { primary, servers, make, settle, known }
}

test('a server that has answered a read is noted, and so is one on which work is open', () => {
  const { servers, make } = setUp()
  expect([servers.isEmpty, servers.hasShown]).toEqual([true, false])
  const end = servers.begin(make(1n), () => 5)
  expect([servers.isEmpty, servers.hasShown]).toEqual([false, false])
  end()
  expect([servers.isEmpty, servers.hasShown]).toEqual([false, true])
})

test('a server is the only one that has shown something if no other has, in its present life', () => {
  const { servers, make } = setUp()
  const [one, two] = [make(1n), make(2n)]
  expect(servers.isOnly(one)).toBe(true)
  servers.note(one, 1)
  expect([servers.isOnly(one), servers.isOnly(two)]).toEqual([true, false])
  fake(one).incarnation = 2
  expect(servers.isOnly(one)).toBe(false)
  fake(one).incarnation = 1
  servers.note(two, 2)
  expect([servers.isOnly(one), servers.isOnly(two)]).toEqual([false, false])
})

test('a sample that was sent after all that a server has shown settles it', () => {
  const { servers, make, known } = setUp()
  const sampler = make(1n)
  servers.note(sampler, 10)
  expect(known()).toEqual([])
  fake(sampler).position = { sentAt: 10, lsn: 7n }
  expect(known()).toEqual([])
  fake(sampler).position = { sentAt: 11, lsn: 8n }
  fake(sampler).incarnation = 2
  expect(known()).toEqual([])
  fake(sampler).incarnation = 1
  expect(known()).toEqual([8n])
  expect(servers.isEmpty).toBe(true)
})

test('a sample does not settle a server on which work is open, nor one of unknown history', () => {
  const { servers, make, known } = setUp()
  const sampler = make(1n)
  const end = servers.begin(sampler, () => 20)
  fake(sampler).position = { sentAt: 15, lsn: 7n }
  expect(known()).toEqual([])
  end()
  end()
  expect(known()).toEqual([])
  fake(sampler).position = { sentAt: 21, lsn: -1n }
  expect(known()).toEqual([])
  fake(sampler).position = { sentAt: 21, lsn: 9n }
  expect(known()).toEqual([9n])
})

test('a server is asked for its position, unless a sample has told it already', async () => {
  const { servers, make, settle } = setUp()
  const [asked, sampled] = [make(3n), make(4n)]
  servers.note(asked, 10)
  servers.note(sampled, 10)
  fake(sampled).position = { sentAt: 11, lsn: 8n }
  expect((await settle()).sort()).toEqual([3n, 8n])
  expect(servers.isEmpty).toBe(true)
})

test('the primary stands in for a server that may have been restarted or whose history is not known', async () => {
  const { primary, servers, make, settle } = setUp()
  const [restarted, restarting, unknown] = [make(3n), make(4n), make(-1n)]
  for (const sampler of [restarted, restarting, unknown]) servers.note(sampler, 10)
  fake(restarted).incarnation = 2
  fake(restarting).poll = async () => {
    fake(restarting).incarnation = 2
    return { lsn: 4n }
  }
  expect(await settle()).toEqual([99n, 99n, 99n])
  servers.note(unknown, 20)
  primary.fails = true
  expect(await settle()).toEqual(['lost'])
})

test('a server that shows more while it is asked stays noted', async () => {
  const { servers, make, settle } = setUp()
  const [reads, works] = [make(3n), make(4n)]
  fake(reads).poll = async () => {
    servers.note(reads, 11)
    return { lsn: 3n }
  }
  servers.note(reads, 10)
  const end = servers.begin(works, () => 30)
  await settle()
  expect([servers.isEmpty, servers.isOnly(reads)]).toEqual([false, false])
  end()
  await settle()
  expect(servers.isEmpty).toBe(true)
})

test('a position of the primary covers what servers of its history showed before it was asked', () => {
  const { primary, servers, make } = setUp()
  const [before, during, working] = [make(1n), make(2n), make(3n)]
  servers.note(before, 9)
  servers.note(during, 10)
  servers.begin(working, () => 5)
  const position = { sentAt: 10 } as Position
  primary.isOfOneHistory = false
  servers.forgetBefore(position)
  expect(servers.isOnly(before)).toBe(false)
  primary.isOfOneHistory = true
  servers.forgetBefore(position)
  servers.forgetBefore({ sentAt: 11 } as Position)
  expect(servers.isOnly(working)).toBe(true)
})
