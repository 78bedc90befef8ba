import { type VirtualClock, virtualClock } from '@poolhouse/core/testing'
import { beforeEach, expect, test } from 'vitest'
import { EventLog } from '../../../src/watch/event-log.js'
import { StateReader } from '../../../src/watch/state-reader.js'
import { histogram, idle, type Observed, observed, snapshot } from '../support/observed.js'

let clock: VirtualClock

beforeEach(() => {
  clock = virtualClock()
})

function reader(source: Observed): StateReader {
  return new StateReader(source, new EventLog(source, clock, () => {}), clock)
}

const NOTHING = {
  endpoint: 'a:5432/app',
  pooler: undefined,
  leases: [],
  slowest: [],
  leaks: [],
  lastConnectError: undefined,
}

test('the connections and counters are those of stats()', () => {
  const stats = {
    leased: 3,
    idle: 2,
    connecting: 1,
    pending: 4,
    max: 12,
    counters: { ...idle().counters, acquired: 77 },
  }
  const [pool] = reader(observed([{ name: 'app', stats: () => stats }])).read().pools
  expect(pool).toMatchObject({
    name: 'app',
    connections: { used: 3, idle: 2, connecting: 1, waiting: 4, max: 12 },
    counters: { acquired: 77 },
    nodes: [],
  })
})

test('the servers come from the topology, and where there is none from the nodes of stats()', () => {
  const watched = observed([{ topology: () => snapshot({ a: 'unreachable', b: 'replica' }, 3) }])
  const [pool] = reader(watched).read().pools
  expect(pool).toMatchObject({ timeline: 3, hasPrimary: false })
  expect(pool?.nodes[0]).toMatchObject({
    id: 'a',
    endpoint: 'a:5432/app',
    state: 'unreachable',
    reason: 'unreachable it is',
  })
  const named = observed([{ stats: () => ({ nodes: { a: idle(), b: idle() } }) }])
  const nodes = reader(named).read().pools[0]?.nodes
  expect(nodes?.map(({ id, state }) => [id, state])).toEqual([
    ['a', undefined],
    ['b', undefined],
  ])
})

test('lag grows with the clock from when it was measured, unless no server can commit', async () => {
  const of = (still: boolean) => {
    const now = snapshot({ b: 'replica' })
    const [node] = now.nodes
    return { ...now, nodes: [{ ...node!, lag: { ms: 40, bytes: 0, at: clock.now(), still } }] }
  }
  const [growing, still] = [of(false), of(true)]
  const lagOf = (now: ReturnType<typeof of>) =>
    reader(observed([{ topology: () => now }])).read().pools[0]?.nodes[0]?.lagMs
  await clock.advance(1_000)
  expect([lagOf(growing), lagOf(still)]).toEqual([1_040, 40])
})

test('lists show the worst of all pools first, and no more than eight', () => {
  const lease = { connection: 1, state: 'busy' as const, statement: 'select 1', stack: undefined }
  const inspect = (name: string, base: number) => () => [
    {
      ...NOTHING,
      name,
      leases: [0, 1, 2, 3, 4].map((step) => ({ ...lease, backendPid: step, heldMs: base + step })),
      slowest: [{ statement: `select '${name}'`, ms: base, agoMs: 5 }],
      leaks: [
        {
          connection: 1,
          heldMs: base,
          agoMs: base,
          statement: undefined,
          stack: undefined,
          collected: false,
        },
      ],
    },
  ]
  const state = reader(
    observed([
      { name: 'x', inspect: inspect('x', 100) },
      { name: 'y', inspect: inspect('y', 200) },
    ]),
  ).read()
  expect(state.holders.map(({ heldMs }) => heldMs)).toEqual([
    204, 203, 202, 201, 200, 104, 103, 102,
  ])
  expect(state.slowest.map(({ node, ms }) => [node, ms])).toEqual([
    ['y', 200],
    ['x', 100],
  ])
  expect(state.leaks.map(({ node }) => node)).toEqual(['x', 'y'])
})

test('a database and a tenant of one name are two lines, each with its own numbers', async () => {
  const counts = { app: 0, tenant: 0 }
  const stats = (key: keyof typeof counts) => () => {
    const histograms = { ...idle().histograms, queryMs: histogram(counts[key]) }
    return { histograms }
  }
  const source = observed([
    { name: 'app', stats: stats('app') },
    { name: 'app', kind: 'tenant', stats: stats('tenant') },
  ])
  const read = reader(source)
  read.read()
  Object.assign(counts, { app: 50, tenant: 10 })
  await clock.advance(1_000)
  expect(read.read().pools.map(({ key, perSecond }) => [key, perSecond])).toEqual([
    ['database app', 50],
    ['tenant app', 10],
  ])
})

test('a budget shows who has how much of it', () => {
  const holders = [{ name: 'acme', kind: 'tenant' as const, held: 4 }]
  const budget = { limit: 10, used: 4, beside: 1, waiting: 2, reclaimed: 0 }
  const source = observed([{}], { 'db:5432': budget }, { 'db:5432': holders })
  expect(reader(source).read().budgets).toEqual([
    { server: 'db:5432', limit: 10, used: 4, beside: 1, waiting: 2, holders },
  ])
})
