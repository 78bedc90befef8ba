import type { NodeState } from '@poolhouse/core'
import { type Standing as FollowerStanding, messageOf, standingOf } from '@poolhouse/core/kit'
import type { ProbeFacts } from '../base/observation.js'
import {
  areNamesOfOne,
  type ClusterView,
  hasListedRival,
  highestTimeline,
  type NodeRecord,
} from './cluster-view.js'
import { leadingNames } from './leading-names.js'

/** State of a node, as in the topology. */
interface NodeVerdict {
  readonly state: NodeState
  /** Why, for humans. Contains no number that changes with every probe. */
  readonly reason: string
}

/** What follows from a view of the cluster. */
export interface Judgement {
  /** The node that gets the work; undefined if there is none. */
  readonly primary: string | undefined
  /** The error for callers if waiting for a primary is pointless. */
  readonly blocked: Error | undefined
  /** State of each node, by name. */
  readonly verdicts: ReadonlyMap<string, NodeVerdict>
  /** Each further name of a server, with the name that stands for that server. */
  readonly furtherNames: ReadonlyMap<string, string>
}

/** Decides what each node is and which of them is the primary. Depends on the view alone. */
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
    blocked: primary === undefined ? reasonToBlock(view, verdicts) : undefined,
    verdicts,
    furtherNames,
  }
}

// States that a further name of a server gives up in favour of the leading name.
const IN_SERVICE: ReadonlySet<NodeState> = new Set(['primary', 'primary-read-only', 'replica'])

/** A further name of a server gets no new work; what is under way there goes on. */
function asFurtherName(verdict: NodeVerdict, leader: string | undefined): NodeVerdict {
  if (leader === undefined || !IN_SERVICE.has(verdict.state)) return verdict
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
      return { state: 'unknown', reason: messageOf(standing.error) }
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
      return { state: 'unknown', reason: 'does not report its system identifier' }
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

/** How the node's position compares with the primary's; undefined until both are known. */
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
    return { state: 'unknown', reason: 'claims to be primary, but does not report its timeline' }
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
  reason: 'claims to be primary; the other nodes have not answered yet',
}

function unfenced(view: ClusterView, id: string, facts: ProbeFacts): NodeVerdict {
  return view.settled ? elected(view, id, facts, 'primary') : NOT_YET
}

function elected(view: ClusterView, id: string, facts: ProbeFacts, reason: string): NodeVerdict {
  if (view.leaving.has(id) && hasListedRival(view, id)) {
    return {
      state: 'fenced',
      reason: `claims to be ${reason}, but is not listed any more, and a listed node claims it too`,
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
 * The error of a server that refuses our password or our database and is probably the primary:
 * waiting would not help. It counts as the primary if it was that last and has not been found dead
 * since, or if no primary was ever seen and no other node may still turn out to be one. At the
 * address of a primary that died, another server may answer by now, and another node may be
 * promoted.
 */
function reasonToBlock(
  view: ClusterView,
  verdicts: ReadonlyMap<string, NodeVerdict>,
): Error | undefined {
  if (!view.settled) return undefined
  let first: Error | undefined
  let all = true
  for (const [id, { standing, lost }] of view.nodes) {
    if (standing.kind !== 'denied') {
      all = false
    } else {
      if (id === view.lastPrimary && !lost) return standing.error
      first ??= standing.error
    }
  }
  if (first === undefined || all) return first
  if (view.lastPrimary !== undefined) return undefined
  const hopeful = [...verdicts.values()].some(({ state }) => state === 'starting')
  return hopeful ? undefined : first
}
