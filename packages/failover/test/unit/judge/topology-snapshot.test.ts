import type { ConnectionPool, TopologyNode, TopologySnapshot } from '@poolhouse/core'
import { expect, test } from 'vitest'
import { sameRoles } from '../../../src/judge/topology-snapshot.js'

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
