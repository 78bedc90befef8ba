import { beforeEach, describe, expect, test } from 'vitest'
import { type ReplicaPool, withReplicas } from '../../../src/index.js'
import { lost, unsent } from '../failures.js'
import { FakePool } from '../fake-pool.js'
import { ManualClock, settle } from '../manual-clock.js'
import { FakeTopology, nodeOf, sequence, served, tally } from '../setting.js'

let a: FakePool
let b: FakePool
let c: FakePool

beforeEach(() => {
  a = new FakePool('a')
  b = new FakePool('b')
  c = new FakePool('c')
})

function over(topology: FakeTopology, options: object = {}): ReplicaPool {
  const primary = Object.assign(new FakePool('follower'), { topology })
  const clock = new ManualClock()
  return withReplicas(primary, topology, {
    clock,
    random: sequence(),
    strategy: 'roundRobin',
    ...options,
  })
}

const targets = async (db: ReplicaPool): Promise<string[]> => [...tally(await served(db, 8)).keys()]

describe('replicas of a topology', () => {
  test('are those whose lag is known and within the bound', async () => {
    const topology = new FakeTopology([
      nodeOf(a, 'primary'),
      nodeOf(b, 'replica', 100),
      nodeOf(c, 'replica'),
    ])
    const db = over(topology)
    expect(await targets(db)).toEqual(['b'])
    topology.show([nodeOf(a, 'primary'), nodeOf(b, 'replica', 6_000), nodeOf(c, 'replica', 4_999)])
    expect(await targets(db)).toEqual(['c'])
    topology.show([nodeOf(a, 'primary'), nodeOf(b, 'replica', 6_000), nodeOf(c, 'replica', 5_000)])
    expect(await targets(db)).toEqual(['follower'])
    const any = await db.reader({ maxStalenessMs: Number.POSITIVE_INFINITY }).query('select 1')
    expect(['b', 'c']).toContain(any.node)
    expect(b.sessions).toEqual([])
  })

  test('T66: grow older with the clock until the topology reports again', async () => {
    const topology = new FakeTopology([nodeOf(a, 'primary'), nodeOf(b, 'replica', 1_000)])
    const clock = new ManualClock()
    const db = over(topology, { clock, maxStalenessMs: 1_500 })
    const reader = db.reader()
    await clock.advance(499)
    expect(await reader.query('select 1')).toMatchObject({ node: 'b', stalenessMs: 1_499 })
    await clock.advance(1)
    expect((await reader.query('select 1')).node).toBe('follower')
    topology.show([nodeOf(a, 'primary'), nodeOf(b, 'replica', 100)])
    expect(await reader.query('select 1')).toMatchObject({ node: 'b', stalenessMs: 100 })
  })

  test('T66: are as old as when the topology measured them, whenever its snapshot is used', async () => {
    const clock = new ManualClock()
    await clock.advance(10_000)
    const seen = nodeOf(b, 'replica', 100)
    const topology = new FakeTopology([
      nodeOf(a, 'primary'),
      { ...seen, lag: { ms: 100, bytes: 0, at: 8_000 } },
    ])
    const db = over(topology, { clock })
    expect(await db.reader().query('select 1')).toMatchObject({ node: 'b', stalenessMs: 2_100 })
  })

  test('T67: do not grow older while the topology says that nothing can be committed', async () => {
    const clock = new ManualClock()
    const seen = nodeOf(b, 'replica', 100)
    const topology = new FakeTopology([{ ...seen, lag: { ms: 100, bytes: 0, still: true } }])
    const db = over(topology, { clock })
    await clock.advance(60_000)
    expect(await db.reader().query('select 1')).toMatchObject({ node: 'b', stalenessMs: 100 })
  })

  test.each(['unknown', 'starting', 'unreachable', 'fenced', 'foreign', 'draining'] as const)(
    'get no reads when they are %s',
    async (state) => {
      const topology = new FakeTopology([
        nodeOf(a, 'primary'),
        nodeOf(b, state, 0),
        nodeOf(c, 'replica', 0),
      ])
      const db = over(topology)
      expect(await targets(db)).toEqual(['c'])
      const [why] = db.explainRoute('select 1', { intent: 'read' }).candidates
      expect(why).toEqual({ node: 'b', eligible: false, reason: `it is ${state} (seen)` })
    },
  )

  test('are replaced by the read-only primary only when there is neither a replica nor a primary', async () => {
    const topology = new FakeTopology([nodeOf(a, 'primary-read-only'), nodeOf(b, 'replica', 0)])
    const db = over(topology)
    expect(await targets(db)).toEqual(['b'])
    topology.show([nodeOf(a, 'primary-read-only'), nodeOf(b, 'unreachable')])
    expect(await targets(db)).toEqual(['a'])
    expect(a.asked.every(({ text }) => text === 'select 1')).toBe(true)
  })

  test('S45: of the own zone come first, and the others when none of those fits', async () => {
    const here = nodeOf(b, 'replica', 0, 'eu-1')
    const there = nodeOf(c, 'replica', 0, 'eu-2')
    const topology = new FakeTopology([nodeOf(a, 'primary'), here, there])
    const db = over(topology, { zone: 'eu-1' })
    expect(await targets(db)).toEqual(['b'])
    b.answer = () => Promise.reject(unsent())
    expect(await targets(db)).toEqual(['c'])
    b.answer = () => undefined
    topology.show([nodeOf(a, 'primary'), nodeOf(b, 'unreachable', 0, 'eu-1'), there])
    topology.show([nodeOf(a, 'primary'), here, there])
    expect(await targets(db)).toEqual(['b'])
    topology.show([nodeOf(a, 'primary'), { ...here, lag: { ms: 9_000, bytes: 1 } }, there])
    expect(await targets(db)).toEqual(['c'])
  })

  test('that failed are probed by the topology at once, and come back when it sees them', async () => {
    const topology = new FakeTopology([
      nodeOf(a, 'primary'),
      nodeOf(b, 'replica', 0),
      nodeOf(c, 'replica', 0),
    ])
    const db = over(topology)
    const events: string[] = []
    db.on('ejected', ({ node }) => events.push(`ejected ${node}`))
    db.on('admitted', ({ node, reason }) => events.push(`admitted ${node}: ${reason}`))
    b.answer = () => Promise.reject(lost())
    expect(await targets(db)).toEqual(['c'])
    expect(topology.refreshed).toEqual(['a read failed on "b"'])
    b.answer = () => undefined
    topology.show([nodeOf(a, 'primary'), nodeOf(b, 'unreachable'), nodeOf(c, 'replica', 0)])
    topology.show([nodeOf(a, 'primary'), nodeOf(b, 'replica', 0), nodeOf(c, 'replica', 0)])
    await settle()
    expect(events).toEqual(['ejected b', 'admitted b: the topology sees a replica again'])
    expect((await targets(db)).sort()).toEqual(['b', 'c'])
  })

  test('change places with the primary', async () => {
    const topology = new FakeTopology([nodeOf(a, 'primary'), nodeOf(b, 'replica', 0)])
    const db = over(topology)
    expect(await targets(db)).toEqual(['b'])
    topology.show([nodeOf(a, 'replica', 0), nodeOf(b, 'primary')])
    expect(await targets(db)).toEqual(['a'])
  })

  test('may leave and join', async () => {
    const topology = new FakeTopology([nodeOf(a, 'primary'), nodeOf(b, 'replica', 0)])
    const db = over(topology)
    topology.show([nodeOf(a, 'primary'), nodeOf(c, 'replica', 0)])
    expect(await targets(db)).toEqual(['c'])
    expect(b.heard('error')).toBe(false)
    await db.close()
    expect(topology.listened).toBe(false)
    expect([a.closed, c.closed, c.heard('error')]).toEqual([false, false, false])
  })
})
