import type { NodeState } from '@poolhouse/core'
import { type ClusterView, factsOf, highestTimeline } from './cluster-view.js'
import type { Judgement } from './judgement.js'

/** One thing to do because the view has changed. */
export type Consequence =
  /** Destroy every connection to the node: it is dead, or must not be used. */
  | { readonly kind: 'destroy'; readonly node: string; readonly reason: string }
  /** Its idle connections may be dead: prove each before its next use. */
  | { readonly kind: 'suspect'; readonly node: string; readonly reason: string }
  /** Refuse the callers that wait for one of its connections: they are sent elsewhere. */
  | { readonly kind: 'refuse'; readonly node: string; readonly reason: string }
  /**
   * The node's name leads to another server now: replace each connection to the former one as soon
   * as it is not in use.
   */
  | { readonly kind: 'replace'; readonly node: string }
  /** Emit the event of this name, as for each kind below. */
  | {
      readonly kind: 'fenced'
      readonly node: string
      readonly timeline: number
      readonly highest: number
    }
  | { readonly kind: 'split-brain'; readonly nodes: readonly string[]; readonly timeline: number }
  | {
      readonly kind: 'foreign'
      readonly node: string
      readonly systemId: string
      readonly expected: string
    }
  | {
      readonly kind: 'diverged'
      readonly node: string
      readonly reason: string
      readonly systemId: string | undefined
      readonly timeline: number | undefined
    }

/** A view and what follows from it. */
export interface Judged {
  readonly view: ClusterView
  readonly judgement: Judgement
}

// The sessions of a node that is starting up died with its former postmaster.
const LOST: ReadonlySet<NodeState> = new Set([
  'unreachable',
  'starting',
  'fenced',
  'foreign',
  'diverged',
])

/** What to do when the second view replaces the first. */
export function consequences(before: Judged, after: Judged): Consequence[] {
  const found: Consequence[] = []
  for (const [node, verdict] of after.judgement.verdicts) {
    const was = before.judgement.verdicts.get(node)?.state
    const isDirect = after.view.nodes.get(node)?.behind === undefined
    if (isDirect && hasMoved(before.view, after.view, node)) found.push({ kind: 'replace', node })
    if (verdict.state === was) {
      if (isDirect && hasRestarted(before.view, after.view, node)) {
        found.push({ kind: 'suspect', node, reason: 'the server was restarted' })
      }
      continue
    }
    if (LOST.has(verdict.state) && (isDirect || isGone(after.view, node))) {
      found.push({ kind: 'destroy', node, reason: `${verdict.state}: ${verdict.reason}` })
    } else if (was === 'primary' || LOST.has(verdict.state)) {
      // Behind a pooler a probe speaks for one server, and the connections may lead to others.
      const news = was === 'primary' ? 'no longer primary' : verdict.state
      const reason = `${news}: ${verdict.reason}`
      found.push({ kind: 'suspect', node, reason })
      // A pooler may accept connections as long as it likes while its server is gone.
      if (LOST.has(verdict.state)) found.push({ kind: 'refuse', node, reason })
    }
    found.push(...announcements(after.view, node, verdict))
  }
  const { contest } = after.view
  if (contest !== undefined && contest !== before.view.contest) {
    found.push({ kind: 'split-brain', nodes: contest.nodes, timeline: contest.timeline ?? 0 })
  }
  return found
}

function announcements(
  view: ClusterView,
  node: string,
  { state, reason }: { readonly state: NodeState; readonly reason: string },
): Consequence[] {
  const standing = view.nodes.get(node)?.standing
  if (standing?.kind !== 'answer') return []
  const { timeline, systemId } = standing.facts
  const highest = highestTimeline(view)
  if (state === 'fenced' && timeline !== undefined && highest !== undefined && timeline < highest) {
    return [{ kind: 'fenced', node, timeline, highest }]
  }
  if (state === 'foreign' && systemId !== undefined && view.systemId !== undefined) {
    return [{ kind: 'foreign', node, systemId, expected: view.systemId }]
  }
  return state === 'diverged' ? [{ kind: 'diverged', node, reason, systemId, timeline }] : []
}

/** Whether it is proven that nothing listens, so that no connection can be alive. */
function isGone(view: ClusterView, node: string): boolean {
  const standing = view.nodes.get(node)?.standing
  return standing?.kind === 'down' && standing.gone
}

/** Whether the node's name leads to another server, at another address, than before. */
function hasMoved(before: ClusterView, after: ClusterView, node: string): boolean {
  const old = factsOf(before, node)?.address
  const now = factsOf(after, node)?.address
  const moved = old !== undefined && now !== undefined && old !== now
  // One server may answer at several addresses, so the address alone proves nothing.
  return moved && hasRestarted(before, after, node)
}

function hasRestarted(before: ClusterView, after: ClusterView, node: string): boolean {
  const old = factsOf(before, node)?.startedAt
  const now = factsOf(after, node)?.startedAt
  return old !== undefined && now !== undefined && old !== now
}
