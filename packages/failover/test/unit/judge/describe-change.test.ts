import type { ConnectionPool, NodeState, TopologySnapshot } from '@poolhouse/core'
import { describe, expect, it } from 'vitest'
import { describeChange } from '../../../src/judge/describe-change.js'

const pools = new Map<string, ConnectionPool>()

/** A view of nodes, each as `[state, reason]`, on this timeline. */
function view(
  timeline: number | undefined,
  given: Record<string, readonly [NodeState, string?]>,
): TopologySnapshot {
  const nodes = Object.entries(given).map(([id, [state, reason = state]]) => {
    const pool = pools.get(id) ?? ({} as ConnectionPool)
    pools.set(id, pool)
    const endpoint = { host: id, port: 5432, database: 'app' }
    return { id: `${id}:5432/app`, endpoint, pool, state, lag: undefined, zone: undefined, reason }
  })
  return {
    epoch: 1,
    systemId: '7',
    timeline,
    primary: nodes.find(({ state }) => state === 'primary'),
    replicas: nodes.filter(({ state }) => state === 'replica'),
    nodes,
  }
}

describe('the reason of a change', () => {
  it('says which node was promoted, to which timeline, and how long calls were held', () => {
    const before = view(2, { a: ['unreachable'], b: ['replica'] })
    const after = view(3, { a: ['unreachable'], b: ['primary', 'primary on timeline 3'] })
    expect(describeChange(before, after, { calls: 14, heldMs: 211.6 })).toBe(
      'b:5432 promoted: timeline 2 → 3; 14 calls held 212 ms',
    )
    expect(describeChange(before, after, { calls: 1, heldMs: 5 })).toMatch(/; 1 call held 5 ms$/)
    expect(describeChange(before, after, undefined)).toBe('b:5432 promoted: timeline 2 → 3')
  })

  it('does not say promoted when a primary was found or has come back', () => {
    const after = view(2, { a: ['primary', 'primary on timeline 2'] })
    const primary = 'a:5432 primary on timeline 2'
    expect(describeChange(view(undefined, { a: ['unknown'] }), after, undefined)).toBe(primary)
    expect(describeChange(view(2, { a: ['starting'] }), after, undefined)).toBe(primary)
  })

  it('says what became of the other nodes', () => {
    const before = view(2, { a: ['primary', 'primary on timeline 2'], b: ['replica'] })
    const after = view(2, { a: ['unreachable', 'refused'], c: ['unknown', 'not probed yet'] })
    expect(describeChange(before, after, undefined)).toBe(
      'a:5432 unreachable (refused); c:5432 joined as unknown (not probed yet); b:5432 left',
    )
  })

  it('says that the primary went to another timeline', () => {
    const before = view(2, { a: ['primary', 'primary'] })
    const after = view(3, { a: ['primary', 'primary'] })
    expect(describeChange(before, after, undefined)).toBe('a:5432 stays primary: timeline 2 → 3')
  })

  it('says that it is another system now, and does not take its higher timeline for a promotion', () => {
    const before = view(2, { a: ['primary', 'primary'], b: ['replica'] })
    const same = { ...before, systemId: '8' }
    expect(describeChange(before, same, undefined)).toMatch(/the system is 8$/)
    expect(describeChange(before, { ...before, systemId: undefined }, undefined)).toMatch(
      /the system is unknown$/,
    )
    const after = { ...view(3, { a: ['foreign'], b: ['primary', 'primary of another'] }) }
    const elsewhere = { ...after, systemId: '8' }
    expect(describeChange(before, elsewhere, undefined)).toMatch(/^b:5432 primary of another/)
    expect(describeChange(before, after, undefined)).toMatch(/^b:5432 promoted: timeline 2 → 3/)
  })
})
