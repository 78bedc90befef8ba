import { expect, test } from 'vitest'
import type { ReplicaNode } from '../../../src/nodes/replica-node.js'
import { ReadRoute } from '../../../src/route/read-route.js'

function replica(inFlight = 0): ReplicaNode {
  const never = (): number => Number.POSITIVE_INFINITY
  return { inFlight, freshUntil: never, shareAt: () => 1 } as unknown as ReplicaNode
}

function routeOver(nodes: readonly ReplicaNode[], maxReadsPerNode: number): ReadRoute {
  const balancer = { pick: ([first]: ReplicaNode[]) => first, chosen: () => {} }
  const setting = { set: { version: 1, nodes }, slowStartMs: 0, maxReadsPerNode, balancer }
  const terms = { maxStalenessMs: 5_000, maxStalenessBytes: Number.POSITIVE_INFINITY }
  return new ReadRoute(setting as never, terms as never)
}

test('leaves out replicas that a read has tried, and those that have reads enough', () => {
  const [full, busy, free] = [replica(2), replica(1), replica()]
  const route = routeOver([full, busy, free], 2)
  expect(route.fitting(0)).toEqual([busy, free])
  expect(route.fitting(0, new Set([busy]))).toEqual([free])
  expect(route.fits(0, new Set([busy, free]))).toBe(false)
  expect([full, busy].map((node) => route.admits(node, 0))).toEqual([false, true])
  expect(route.choose(0)).toBe(busy)
  expect(route.choose(0, new Set([busy]))).toBe(free)
})
