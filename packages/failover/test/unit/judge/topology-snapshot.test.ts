import type { ConnectionPool, TopologyNode, TopologySnapshot } from '@poolhouse/core'
import { expect, test } from 'vitest'
import type { ProbeFacts } from '../../../src/base/observation.js'
import { judge } from '../../../src/judge/judgement.js'
import { sameRoles, snapshotOf } from '../../../src/judge/topology-snapshot.js'
import { failed, primary, refused, viewOf } from '../support/views.js'

const pool = {} as ConnectionPool
const NODE: TopologyNode = {
  id: 'a:5432/app',
  endpoint: { host: 'a', port: 5432, database: 'app' },
  pool,
  state: 'replica',
  lag: { ms: 1, bytes: 2, at: 3, still: false },
  zone: 'east',
  reason: 'follows b',
}

function snapshot(
  node: Partial<TopologyNode> = {},
  changes: Partial<TopologySnapshot> = {},
): TopologySnapshot {
  const nodes = [{ ...NODE, ...node }]
  return {
    epoch: 1,
    systemId: '7',
    timeline: 1,
    primary: undefined,
    replicas: nodes,
    nodes,
    ...changes,
  }
}

test.each<[what: string, node: Partial<TopologyNode>, changes: Partial<TopologySnapshot>]>([
  ['another system', {}, { systemId: '8' }],
  ['another timeline', {}, { timeline: 2 }],
  ['a node that has left', {}, { nodes: [] }],
  ['a new node', {}, { nodes: [NODE, NODE] }],
  ['another pool of a node', { pool: {} as ConnectionPool }, {}],
  ['another state of a node', { state: 'starting' }, {}],
  ['another reason', { reason: 'follows c' }, {}],
  ['another zone', { zone: 'west' }, {}],
])('a topology with %s has other roles', (_what, node, changes) => {
  expect(sameRoles(snapshot(), snapshot(node, changes))).toBe(false)
})

test('neither the lag, nor the epoch, nor why a node cannot be reached is a change of roles', () => {
  expect(sameRoles(snapshot(), snapshot({ lag: undefined }, { epoch: 2 }))).toBe(true)
  const dead = snapshot({ state: 'unreachable', reason: 'connection refused' })
  expect(sameRoles(dead, snapshot({ state: 'unreachable', reason: 'silence' }))).toBe(true)
})

test('a node tells which server it leads to, unless a pooler stands in between or it does not answer', () => {
  const serverOf = (finding: Parameters<typeof viewOf>[0][number][1]): unknown => {
    const view = viewOf([['a', finding]])
    const named = { name: 'a', endpoint: NODE.endpoint } as ConnectionPool
    const entries = [{ pool: named, zone: undefined }]
    const age = { at: 0, still: false }
    return snapshotOf(1, entries, view, judge(view), {} as never, age).nodes[0]!.server
  }
  const alive: Partial<ProbeFacts> = { startedAt: '9', port: 5432, backendPid: 7, sessionPid: 7 }
  expect(serverOf(primary(1, alive))).toEqual({ systemId: 'ours', startedAt: '9', port: 5432 })
  expect(serverOf(primary(1, { ...alive, sessionPid: 8 }))).toBeUndefined()
  expect(serverOf(primary(1, { ...alive, startedAt: undefined }))).toBeUndefined()
  expect(serverOf(refused)).toBeUndefined()
})

test('without fencing primaries of two timelines contest, and one that fell silent does not', () => {
  const both = [
    ['a', primary(1)],
    ['b', primary(2)],
  ] as const
  const contested = viewOf(both, { fence: 'off' }).contest
  expect(contested).toMatchObject({ timeline: undefined, nodes: ['a', 'b'] })
  expect(viewOf(both).contest).toBeUndefined()
  const silent = [...Array(3)].map(() => ['a', failed] as const)
  const promoted = [['a', primary(1)], ...silent, ['b', primary(2)]] as const
  expect(viewOf(promoted, { fence: 'off' }).contest).toBeUndefined()
})
