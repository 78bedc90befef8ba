import type { ServerIdentity } from '@poolhouse/core'
import { describe, expect, it } from 'vitest'
import type { ProbeFacts } from '../../../src/base/observation.js'
import type { ClusterView } from '../../../src/judge/cluster-view.js'
import { fencedConnections } from '../../../src/judge/fenced-connections.js'

const SYSTEM = '7000000000000000001'

function server(changes: Partial<ServerIdentity> = {}): ServerIdentity {
  const own = { systemId: SYSTEM, timeline: 1, startedAt: 'a', address: '10.0.0.1', port: 5432 }
  return { ...own, inRecovery: false, ...changes }
}

/** A view of the one node `n`, which answers as a promoted server on timeline 2. */
function viewOf(changes: Record<string, unknown> = {}, behind?: string): ClusterView {
  const facts = server({ timeline: 2, startedAt: 'b' })
  const nodes = new Map([['n', { standing: { kind: 'answer', facts }, behind }]])
  const highest = new Map([[SYSTEM, 2]])
  return { fence: 'timeline', systemId: SYSTEM, highest, nodes, ...changes } as never
}

describe('the connections of a node', () => {
  it('T53: are fenced if they lead to another server that was a primary on a lower timeline', () => {
    const isFenced = fencedConnections(viewOf(), 'n')!
    expect(isFenced(server())).toBe(true)
    // The server that answers, whatever it was when the connection was opened.
    expect(isFenced(server({ startedAt: 'b' }))).toBe(false)
  })

  it('T53: are left alone if their server is not known to be stale', () => {
    const isFenced = fencedConnections(viewOf(), 'n')!
    expect(isFenced(undefined)).toBe(false)
    expect(isFenced(server({ timeline: 2 }))).toBe(false)
    expect(isFenced(server({ timeline: undefined }))).toBe(false)
    expect(isFenced(server({ inRecovery: true }))).toBe(false)
    expect(isFenced(server({ systemId: '7' }))).toBe(false)
  })

  it("T53: are judged by their server's last answer if that server answered before", () => {
    // Opened on a standby, which was then promoted, and is no longer the newest primary.
    const former = server({ startedAt: 'c', timeline: 1 }) as unknown as ProbeFacts
    const isFenced = fencedConnections(viewOf(), 'n', former)!
    expect(isFenced(server({ startedAt: 'c', inRecovery: true }))).toBe(true)
    expect(isFenced(server({ startedAt: 'd', inRecovery: true }))).toBe(false)
  })

  it('T53: are not judged with fence: off, behind a pooler, or while the node does not answer', () => {
    expect(fencedConnections(viewOf({ fence: 'off' }), 'n')).toBeUndefined()
    expect(fencedConnections(viewOf({}, 'a pooler'), 'n')).toBeUndefined()
    expect(fencedConnections(viewOf(), 'another')).toBeUndefined()
  })
})
