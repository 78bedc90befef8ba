import { describe, expect, test } from 'vitest'
import { ReplicaNode } from '../../../src/nodes/replica-node.js'
import type { BalanceFunction, StrategyName } from '../../../src/options/replicas-options.js'
import { createBalancer } from '../../../src/route/balancer.js'
import { FakePool } from '../fake-pool.js'
import { sequence, tally } from '../setting.js'

const nodes = (...names: string[]): ReplicaNode[] =>
  names.map((name) => new ReplicaNode(new FakePool(name), undefined))

/** Names of the nodes that are chosen one after the other. Each answers in its own time. */
function choices(
  strategy: StrategyName | BalanceFunction,
  among: readonly ReplicaNode[],
  count: number,
  answerMs: (node: ReplicaNode) => number = () => 1,
  weights: Readonly<Record<string, number>> = {},
): string[] {
  const balancer = createBalancer(strategy, sequence(), new Map(Object.entries(weights)))
  let now = 0
  return Array.from({ length: count }, () => {
    const node = balancer.pick(among, now)
    balancer.chosen(node, among)
    node.begin()
    now += answerMs(node)
    node.served(now, now - answerMs(node))
    return node.node
  })
}

/**
 * Shares of the nodes while a fixed number of reads is under way and each node takes its own time.
 */
function shares(
  among: readonly ReplicaNode[],
  answerMs: (node: ReplicaNode) => number,
): Map<string, number> {
  const balancer = createBalancer('leastBusy', sequence())
  const running: { node: ReplicaNode; startedAt: number; endsAt: number }[] = []
  const chosen: string[] = []
  for (let now = 0; now < 20_000; now++) {
    for (const read of running.filter(({ endsAt }) => endsAt <= now)) {
      running.splice(running.indexOf(read), 1)
      read.node.served(now, read.startedAt)
    }
    while (running.length < 8) {
      const node = balancer.pick(among, now)
      node.begin()
      chosen.push(node.node)
      running.push({ node, startedAt: now, endsAt: now + answerMs(node) })
    }
  }
  return tally(chosen)
}

/** Lets a node answer at one speed until that counts as known. */
function teach(node: ReplicaNode, ms: number): void {
  for (let sample = 0; sample < 6; sample++) node.latency.record(ms, 0)
}

describe('leastBusy', () => {
  test('chooses the less loaded of two', () => {
    const [b, c] = nodes('b', 'c') as [ReplicaNode, ReplicaNode]
    b.inFlight = 3
    c.inFlight = 2
    const balancer = createBalancer('leastBusy', sequence())
    expect(Array.from({ length: 20 }, () => balancer.pick([b, c], 0).node)).toEqual(
      Array.from({ length: 20 }, () => 'c'),
    )
  })

  test('compares two different nodes out of many', () => {
    const many = nodes('b', 'c', 'd')
    many[0]!.inFlight = 5
    const picked = tally(choices('leastBusy', many, 300))
    expect(picked.get('b')).toBeUndefined()
    expect(picked.get('c')! + picked.get('d')!).toBe(300)
  })

  test('spreads sequential reads although one node answers a little faster', () => {
    const picked = tally(
      choices('leastBusy', nodes('b', 'c'), 1_000, (node) => (node.node === 'b' ? 2 : 3)),
    )
    expect(picked.get('b')).toBeGreaterThan(400)
    expect(picked.get('c')).toBeGreaterThan(400)
  })

  test('S33: gives a slow node less than half of its fair share', () => {
    const counts = shares(nodes('b', 'c'), (node) => (node.node === 'b' ? 5 : 50))
    expect(counts.get('c')! / (counts.get('b')! + counts.get('c')!)).toBeLessThan(0.25)
  })

  test('sends reads again to a node that was slow a minute ago', () => {
    const [b, c] = nodes('b', 'c') as [ReplicaNode, ReplicaNode]
    for (const node of [b, c]) teach(node, node === b ? 20 : 1)
    const balancer = createBalancer('leastBusy', () => 0)
    expect(balancer.pick([b, c], 1).node).toBe('c')
    expect(balancer.pick([b, c], 60_000).node).toBe('b')
  })

  test('does not judge a node by one slow answer among its first', () => {
    const [b] = nodes('b') as [ReplicaNode]
    for (const ms of [30, 25, 1, 400, 1, 1]) b.latency.record(ms, 0)
    expect(b.latencyMs).toBe(1)
    expect(b.latency.expectedMs(0)).toBe(1)
  })

  test('hardly changes the average of a node for a single pause', () => {
    const [b] = nodes('b') as [ReplicaNode]
    teach(b, 4)
    b.latency.record(5_000, 1)
    expect(b.latencyMs).toBeLessThan(5)
  })

  test('forgets a slow period within a few dozen reads', () => {
    const [b] = nodes('b') as [ReplicaNode]
    teach(b, 50)
    for (let read = 0; read < 64; read++) b.latency.record(1, read)
    expect(b.latencyMs).toBeLessThan(2)
  })

  test('does not hold the time of its first connection against a node', () => {
    const [b] = nodes('b') as [ReplicaNode]
    b.latency.record(500, 0)
    expect(b.latencyMs).toBeUndefined()
    expect(b.latency.expectedMs(0)).toBe(1)
  })

  test('halves the weight of a sample in ten seconds', () => {
    const [b] = nodes('b') as [ReplicaNode]
    teach(b, 100)
    b.latency.record(0, 10_000)
    expect(b.latencyMs).toBeCloseTo(50)
  })
})

describe('roundRobin', () => {
  test('takes turns', () => {
    expect(choices('roundRobin', nodes('b', 'c', 'd'), 6)).toEqual(['b', 'c', 'd', 'b', 'c', 'd'])
  })

  test('does not give the share of a missing node to its neighbour', () => {
    const [b, c, d] = nodes('b', 'c', 'd') as [ReplicaNode, ReplicaNode, ReplicaNode]
    const balancer = createBalancer('roundRobin', sequence())
    const picked: string[] = []
    for (let turn = 0; turn < 300; turn++) {
      const among = turn < 100 ? [b, c, d] : [c, d]
      const node = balancer.pick(among, turn)
      balancer.chosen(node, among)
      if (turn >= 100) picked.push(node.node)
    }
    expect(tally(picked)).toEqual(
      new Map([
        ['c', 100],
        ['d', 100],
      ]),
    )
  })
})

describe('weighted', () => {
  const weigh = (
    weights: Readonly<Record<string, number>>,
    names: readonly string[],
    count = 100,
  ): string[] => choices('weighted', nodes(...names), count, () => 1, weights)

  test('S31: gives 5:3:2 exactly, and never more than two in a row', () => {
    const picked = weigh({ b: 5, c: 3, d: 2 }, ['b', 'c', 'd'])
    expect(tally(picked)).toEqual(
      new Map([
        ['b', 50],
        ['c', 30],
        ['d', 20],
      ]),
    )
    for (let at = 2; at < picked.length; at++) {
      expect(new Set(picked.slice(at - 2, at + 1)).size).toBeGreaterThan(1)
    }
  })

  test('S32: passes over a weight of 0 until no other node is left', () => {
    expect(tally(weigh({ b: 0 }, ['b', 'c', 'd']))).toEqual(
      new Map([
        ['c', 50],
        ['d', 50],
      ]),
    )
    expect(weigh({ b: 0 }, ['b'], 2)).toEqual(['b', 'b'])
  })

  test('T105: passes over a weight of 0 also after another node was away and has come back', () => {
    const [b, c, d] = nodes('b', 'c', 'd') as [ReplicaNode, ReplicaNode, ReplicaNode]
    const weights = new Map([
      ['b', 0],
      ['c', 5],
      ['d', 1],
    ])
    const balancer = createBalancer('weighted', sequence(), weights)
    const choose = (among: readonly ReplicaNode[], count: number): string[] =>
      Array.from({ length: count }, () => {
        const node = balancer.pick(among, 0)
        balancer.chosen(node, among)
        return node.node
      })
    for (const among of [
      [b, c, d],
      [b, d],
      [b, c],
      [b, c, d],
      [d, b],
      [c, d, b],
    ]) {
      // Also in between, when the other node has paid for what it was chosen for.
      for (let count = 1; count <= 7; count++) expect(choose(among, count)).not.toContain('b')
    }
    expect(choose([b], 2)).toEqual(['b', 'b'])
    expect(choose([b, c, d], 20)).not.toContain('b')
  })

  test('gives nodes without a weight the weight 1', () => {
    expect(tally(weigh({ b: 3 }, ['b', 'c'])).get('b')).toBe(75)
  })
})

test('S15: random reaches every node, and the last one alone when the others are gone', () => {
  const [b, c, d] = nodes('b', 'c', 'd')
  const counts = tally(choices('random', [b!, c!, d!], 50))
  expect([...counts.keys()].sort()).toEqual(['b', 'c', 'd'])
  expect(tally(choices('random', [d!], 50))).toEqual(new Map([['d', 50]]))
})

describe('a strategy of your own', () => {
  test('chooses by what it is told about the candidates', () => {
    const [b, c] = nodes('b', 'c') as [ReplicaNode, ReplicaNode]
    b.inFlight = 2
    const own: BalanceFunction = (candidates) => candidates.find(({ inFlight }) => inFlight > 1)!
    expect(choices(own, [b, c], 1)).toEqual(['b'])
  })

  test('is refused by name when it returns something else', () => {
    expect(() => choices((() => 'b') as never, nodes('b', 'c'), 1)).toThrow(
      'the strategy function must return one of the candidates it was given, got "b"',
    )
  })
})
