import type { NodeState } from '@poolhouse/core'
import { type Standing as FollowerStanding, standingOf } from '@poolhouse/core/kit'
import type { ProbeFacts } from '../base/observation.js'
import {
  areNamesOfOne,
  type ClusterView,
  hasListedRival,
  highestTimeline,
  type NodeRecord,
} from './cluster-view.js'
import { leadingNames } from './leading-names.js'

/** What a node is taken for. */
interface NodeVerdict {
  readonly state: NodeState
  /** Why, for humans. Carries no number that changes with every probe. */
  readonly reason: string
}

/** What follows from a view. */
export interface Judgement {
  /** The node that gets the work, if there is exactly one. */
  readonly primary: string | undefined
  /** The error that callers get instead of waiting, where waiting is pointless. */
  readonly blocked: Error | undefined
  readonly verdicts: ReadonlyMap<string, NodeVerdict>
  /** Further names of a server, and the one that stands for it. */
  readonly furtherNames: ReadonlyMap<string, string>
}

/** Says what each node is and which of them is the primary. Depends on the view alone. */
export function judge(view: ClusterView): Judgement {
  const verdicts = new Map<string, NodeVerdict>()
  const furtherNames = leadingNames(view)
  let primary: string | undefined
  for (const [id, record] of view.nodes) {
    const own = verdictOn(view, id, record)
    const verdict = withPooler(asFurtherName(own, furtherNames.get(id)), record)
    verdicts.set(id, verdict)
    if (verdict.state === 'primary') primary = id
  }
  return {
    primary,
    blocked: primary === undefined ? whyBlocked(view, verdicts) : undefined,
    verdicts,
    furtherNames,
  }
}

// What a name is by itself only until it proves to be a further name of another node.
const FITTING: ReadonlySet<NodeState> = new Set(['primary', 'primary-read-only', 'replica'])

/** A further name of a server gets no new work, and keeps what it has. */
function asFurtherName(verdict: NodeVerdict, leader: string | undefined): NodeVerdict {
  if (leader === undefined || !FITTING.has(verdict.state)) return verdict
  return {
    state: 'draining',
    reason: `${verdict.reason}; another name of the server of "${leader}"`,
  }
}

function withPooler(verdict: NodeVerdict, { behind }: NodeRecord): NodeVerdict {
  if (behind === undefined) return verdict
  return { ...verdict, reason: `${verdict.reason}; behind ${behind}` }
}

function verdictOn(view: ClusterView, id: string, record: NodeRecord): NodeVerdict {
  const { standing } = record
  switch (standing.kind) {
    case 'none':
      return { state: 'unknown', reason: standing.detail }
    case 'starting':
      return { state: 'starting', reason: standing.detail }
    case 'denied':
      return { state: 'unknown', reason: standing.error.message }
    case 'down':
      return { state: 'unreachable', reason: standing.detail }
    case 'answer':
      return roleOf(view, id, standing.facts)
  }
}

function roleOf(view: ClusterView, id: string, facts: ProbeFacts): NodeVerdict {
  const { systemId, timeline } = facts
  if (view.fence === 'timeline') {
    if (systemId === undefined) {
      return { state: 'unknown', reason: 'does not tell its system identifier' }
    }
    if (view.systemId !== undefined && systemId !== view.systemId) {
      return {
        state: 'foreign',
        reason: `belongs to system ${systemId}, but ours is ${view.systemId}`,
      }
    }
  }
  if (facts.inRecovery) {
    const standing = followingOf(view, id)
    if (standing?.kind === 'diverged') return { state: 'diverged', reason: standing.reason }
    const role = describeReplica(facts, standing)
    const withheld = view.withheld.get(id)
    return withheld === undefined
      ? { state: 'replica', reason: role }
      : { state: 'draining', reason: `${role}, ${withheld}` }
  }
  return view.fence === 'off' ? unfenced(view, id, facts) : claimOf(view, id, facts, timeline)
}

/** How the node's position compares with the primary's; undefined before that has told its own. */
export function followingOf(view: ClusterView, id: string): FollowerStanding | undefined {
  const follower = view.nodes.get(id)?.follower
  if (follower === undefined || view.present === undefined) return undefined
  return standingOf(follower, view.present)
}

function describeReplica(
  { replayPaused }: ProbeFacts,
  standing: FollowerStanding | undefined,
): string {
  const role = replayPaused ? 'replica, replay is paused' : 'replica'
  return standing?.kind === 'unknown' ? `${role}, but ${standing.reason}` : role
}

function claimOf(
  view: ClusterView,
  id: string,
  facts: ProbeFacts,
  timeline: number | undefined,
): NodeVerdict {
  if (timeline === undefined) {
    return { state: 'unknown', reason: 'claims to be primary, but does not tell its timeline' }
  }
  if (!view.settled) return NOT_YET
  const highest = highestTimeline(view) ?? timeline
  if (timeline < highest) {
    const seen = timeline < (view.minimumTimeline ?? 0) ? 'required' : 'seen'
    return {
      state: 'fenced',
      reason: `claims to be primary on timeline ${timeline}, but timeline ${highest} has been ${seen}`,
    }
  }
  return elected(view, id, facts, `primary on timeline ${timeline}`)
}

const NOT_YET: NodeVerdict = {
  state: 'unknown',
  reason: 'claims to be primary; the other nodes have not been heard yet',
}

function unfenced(view: ClusterView, id: string, facts: ProbeFacts): NodeVerdict {
  return view.settled ? elected(view, id, facts, 'primary') : NOT_YET
}

function elected(view: ClusterView, id: string, facts: ProbeFacts, reason: string): NodeVerdict {
  if (view.leaving.has(id) && hasListedRival(view, id)) {
    return {
      state: 'fenced',
      reason: `claims to be ${reason}, but is not listed any more, and a node that is claims it too`,
    }
  }
  const { contest } = view
  if (contest?.nodes.includes(id)) {
    const own = view.nodes.get(id)
    const others = contest.nodes
      .filter((other) => other !== id && !areNamesOfOne(own, view.nodes.get(other)))
      .join('", "')
    return {
      state: 'fenced',
      reason: `split brain: "${others}" claims to be ${reason} too`,
    }
  }
  if (facts.readOnly) {
    return {
      state: 'primary-read-only',
      reason: `${reason}, but default_transaction_read_only is on`,
    }
  }
  return { state: 'primary', reason }
}

/**
 * A server that refuses our password or our database may be the primary, and no waiting changes its
 * mind. It is taken for the primary if it was that last, or if none was ever seen and no other node
 * may still turn out to be one.
 */
function whyBlocked(
  view: ClusterView,
  verdicts: ReadonlyMap<string, NodeVerdict>,
): Error | undefined {
  if (!view.settled) return undefined
  let first: Error | undefined
  let all = true
  for (const [id, { standing }] of view.nodes) {
    if (standing.kind !== 'denied') {
      all = false
    } else {
      if (id === view.lastPrimary) return standing.error
      first ??= standing.error
    }
  }
  if (first === undefined || all) return first
  if (view.lastPrimary !== undefined) return undefined
  const hopeful = [...verdicts.values()].some(({ state }) => state === 'starting')
  return hopeful ? undefined : first
}
