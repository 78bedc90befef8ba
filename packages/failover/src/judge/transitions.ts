import {
  followerAfter,
  followerBeside,
  followerSampleOf,
  isSameServer,
  type PresentHistory,
  presentAfter,
  primarySampleOf,
} from '@poolhouse/core/kit'
import type { Observation, ProbeFacts } from '../base/observation.js'
import {
  type ClusterView,
  type Contest,
  hasListedRival,
  highestTimeline,
  isClaim,
  type NodeRecord,
  type Standing,
} from './cluster-view.js'
import { judge } from './judgement.js'
import { seenBehind, serverOf } from './pooler-detection.js'

/** Settings of a view. They mean what they mean in `FailoverConfig`. */
export interface ClusterViewOptions {
  readonly fence: 'timeline' | 'off'
  readonly deadAfter: number
  readonly minimumTimeline?: number | undefined
}

const NEVER: NodeRecord = {
  sentAt: Number.NEGATIVE_INFINITY,
  standing: { kind: 'none', detail: 'not probed yet' },
  failures: 0,
  behind: undefined,
  follower: undefined,
  claim: undefined,
  lost: false,
  servers: [],
}
// Enough to notice that a server comes back behind one address, even if many take turns there.
const MOST_SERVERS = 8

/** The view before any probe. */
export function emptyView(ids: readonly string[], options: ClusterViewOptions): ClusterView {
  return {
    fence: options.fence,
    deadAfter: options.deadAfter,
    minimumTimeline: options.minimumTimeline,
    settled: false,
    systemId: undefined,
    highest: new Map<string, number>(),
    contest: undefined,
    withheld: new Map<string, string>(),
    leaving: new Set<string>(),
    drained: new Set<string>(),
    present: undefined,
    lastPrimary: undefined,
    nodes: new Map(ids.map((id) => [id, NEVER])),
  }
}

/** Adds one observation. Ignores it if its probe was sent before that of the newest one. */
export function observe(view: ClusterView, id: string, observation: Observation): ClusterView {
  const before = view.nodes.get(id)
  if (before === undefined || observation.sentAt < before.sentAt) return view
  const record = nextRecord(before, observation, view)
  const nodes = new Map(view.nodes).set(id, record)
  return conclude({ ...view, nodes, highest: raised(view.highest, record.standing) })
}

/** Adds a node. `behind` is the pooler or proxy in front of it, if one is known. */
export function addNode(view: ClusterView, id: string, behind?: string): ClusterView {
  if (view.nodes.has(id)) return view
  return conclude({ ...view, nodes: new Map(view.nodes).set(id, { ...NEVER, behind }) })
}

/** Removes a node. What it has proven about timelines stays. */
export function removeNode(view: ClusterView, id: string): ClusterView {
  const nodes = new Map(view.nodes)
  if (!nodes.delete(id)) return view
  const lastPrimary = view.lastPrimary === id ? undefined : view.lastPrimary
  return conclude({ ...view, nodes, lastPrimary })
}

/**
 * Sets which nodes get no new work, each with the reason, which of them are not listed any more,
 * and which an operator has drained.
 */
export function withhold(
  view: ClusterView,
  withheld: ReadonlyMap<string, string>,
  leaving: ReadonlySet<string>,
  drained: ReadonlySet<string> = new Set(),
): ClusterView {
  return conclude({ ...view, withheld, leaving, drained })
}

/**
 * Makes this system ours. Its timelines are other ones, so the configured minimum does not apply
 * any more.
 */
export function acceptSystem(view: ClusterView, systemId: string): ClusterView {
  if (view.systemId === systemId) return view
  return conclude({ ...view, systemId, minimumTimeline: undefined, contest: undefined })
}

/** Ends the first round of probes, so that a primary may be elected. */
export function endFirstRound(view: ClusterView): ClusterView {
  return view.settled ? view : conclude({ ...view, settled: true })
}

function nextRecord(
  former: NodeRecord,
  observation: Observation,
  { deadAfter, present, nodes }: ClusterView,
): NodeRecord {
  const { sentAt, answeredAt = sentAt } = observation
  const before = { ...former, sentAt }
  switch (observation.kind) {
    case 'answer': {
      const { facts } = observation
      return {
        sentAt,
        failures: 0,
        standing: { kind: 'answer', facts },
        behind: former.behind ?? seenBehind(former.servers, facts),
        follower: followerAfter(
          former.follower,
          followerSampleOf(facts, facts.address, answeredAt),
          present,
          hasFormer(nodes, present),
        ),
        claim: facts.inRecovery || facts.readOnly ? undefined : facts,
        lost: false,
        servers: nextServers(former.servers, serverOf(facts)),
      }
    }
    case 'starting':
      return { ...before, failures: 0, standing: { kind: 'starting', detail: observation.detail } }
    case 'denied':
      return { ...before, failures: 0, standing: { kind: 'denied', error: observation.error } }
    case 'refused':
      return {
        ...before,
        failures: deadAfter,
        claim: undefined,
        lost: true,
        standing: { kind: 'down', detail: observation.detail, gone: true },
      }
    case 'busy': {
      // The server is alive, so its last answer may still hold, unless it was dead meanwhile.
      const lost = before.standing.kind === 'down' || before.standing.kind === 'none'
      const standing: Standing = lost
        ? { kind: 'none', detail: observation.detail }
        : before.standing
      return { ...before, failures: 0, standing }
    }
    case 'failed': {
      const failures = before.failures + 1
      if (failures < deadAfter) return { ...before, failures }
      // What proved it dead stays the reason, whatever later probes fail with: silence does not
      // undo an earlier proof that the server is gone, and a reason that counts would change each
      // time.
      const standing: Standing =
        before.standing.kind === 'down'
          ? before.standing
          : {
              kind: 'down',
              detail: `${observation.detail}, ${failures} failed probes in a row`,
              gone: false,
            }
      // A server that closes each new connection takes no writes from other clients either.
      const claim = observation.isClosed === true ? undefined : before.claim
      return { ...before, failures, claim, lost: true, standing }
    }
  }
}

/** Whether a server that is not in recovery answers on an older timeline than the primary's. */
function hasFormer(nodes: ClusterView['nodes'], present: PresentHistory | undefined): boolean {
  return [...nodes.values()].some(({ standing }) => {
    if (standing.kind !== 'answer' || standing.facts.inRecovery) return false
    const { systemId, timeline } = standing.facts
    return systemId === present?.systemId && (timeline ?? 0) < (present?.timeline ?? 0)
  })
}

function nextServers(before: readonly string[], server: string | undefined): readonly string[] {
  if (server === undefined || before.at(-1) === server) return before
  return [...before.filter((other) => other !== server), server].slice(-MOST_SERVERS)
}

function raised(
  highest: ReadonlyMap<string, number>,
  standing: Standing,
): ReadonlyMap<string, number> {
  if (standing.kind !== 'answer' || standing.facts.inRecovery) return highest
  const { systemId, timeline } = standing.facts
  if (systemId === undefined || timeline === undefined) return highest
  if (timeline <= (highest.get(systemId) ?? 0)) return highest
  return new Map(highest).set(systemId, timeline)
}

function conclude(view: ClusterView): ClusterView {
  const systemId = view.systemId ?? (view.settled ? ownSystem(view.nodes) : undefined)
  const known = { ...view, systemId }
  const next = withPresent({ ...known, contest: nextContest(known) })
  return { ...next, lastPrimary: judge(next).primary ?? view.lastPrimary }
}

/**
 * Takes the history of the primary's last probe as the present one, and compares all nodes with it.
 */
function withPresent(view: ClusterView): ClusterView {
  const { primary } = judge(view)
  const record = primary === undefined ? undefined : view.nodes.get(primary)
  // After a failed probe `sentAt` belongs to that probe, not to the last answer.
  if (record?.standing.kind !== 'answer' || record.failures > 0) return view
  const { facts } = record.standing
  const sample = primarySampleOf(facts, facts.address, record.sentAt)
  const present = presentAfter(view.present, sample)
  return present === view.present ? view : { ...view, present, nodes: compared(view, present) }
}

function compared({ nodes }: ClusterView, present: PresentHistory): ClusterView['nodes'] {
  const found = new Map<string, NodeRecord>()
  for (const [id, record] of nodes) {
    const { follower } = record
    found.set(
      id,
      follower === undefined ? record : { ...record, follower: followerBeside(follower, present) },
    )
  }
  return found
}

/** The system to which most nodes belong; with equal numbers, the one of the first node. */
function ownSystem(nodes: ReadonlyMap<string, NodeRecord>): string | undefined {
  const votes = new Map<string, number>()
  for (const { standing } of nodes.values()) {
    const id = standing.kind === 'answer' ? standing.facts.systemId : undefined
    if (id !== undefined) votes.set(id, (votes.get(id) ?? 0) + 1)
  }
  let best: string | undefined
  for (const [id, count] of votes) {
    if (best === undefined || count > votes.get(best)!) best = id
  }
  return best
}

function nextContest(view: ClusterView): Contest | undefined {
  const timeline = view.fence === 'off' ? undefined : highestTimeline(view)
  const before = view.contest?.timeline === timeline ? view.contest?.nodes : undefined
  const claims = new Map<string, ProbeFacts>()
  for (const [id, { standing, claim }] of view.nodes) {
    if (claim === undefined || !isClaim(claim, view, timeline)) continue
    // A server that only fell silent may still take writes from other clients, so its claim counts.
    // Without timelines a normal failover looks the same, so there only a known contest goes on.
    const isSilent = standing.kind === 'down' && !standing.gone
    const counts =
      standing.kind === 'answer' ||
      (isSilent && (view.fence === 'timeline' || before?.includes(id) === true))
    if (counts) claims.set(id, claim)
  }
  const isOut = (id: string): boolean => view.drained.has(id) || view.leaving.has(id)
  const hasRival = (id: string): boolean =>
    view.drained.has(id)
      ? [...claims.keys()].some((other) => other !== id && !isOut(other))
      : hasListedRival(view, id)
  const nodes = [...claims.keys()].filter((id) => !isOut(id) || !hasRival(id))
  // Several names of one server are not rivals.
  const first = claims.get(nodes[0] ?? '')
  if (nodes.slice(1).every((id) => isSameServer(first, claims.get(id)))) return undefined
  const same = before?.length === nodes.length && nodes.every((id) => before.includes(id))
  return same ? view.contest : { timeline, nodes }
}
