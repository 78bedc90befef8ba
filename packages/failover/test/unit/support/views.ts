import type { Finding, ProbeFacts } from '../../../src/base/observation.js'
import type { ClusterView } from '../../../src/judge/cluster-view.js'
import { type Consequence, consequences } from '../../../src/judge/consequences.js'
import { judge } from '../../../src/judge/judgement.js'
import {
  type ClusterViewOptions,
  emptyView,
  endFirstRound,
  observe,
} from '../../../src/judge/transitions.js'

/** System identifier of our cluster. */
export const OURS = 'ours'

/** Facts of a primary on timeline 1, with these changes. */
function facts(changes: Partial<ProbeFacts> = {}): ProbeFacts {
  return {
    inRecovery: false,
    readOnly: false,
    systemId: OURS,
    timeline: 1,
    timelineExact: true,
    past: undefined,
    tellsPast: false,
    receiver: undefined,
    startedAt: 'then',
    address: undefined,
    port: undefined,
    backendPid: undefined,
    sessionPid: undefined,
    lsn: 0n,
    receivedLsn: undefined,
    replayPaused: false,
    ...changes,
  }
}

/** A primary on this timeline answers. */
export const primary = (timeline = 1, changes: Partial<ProbeFacts> = {}): Finding => ({
  kind: 'answer',
  facts: facts({ timeline, ...changes }),
})
/** A replica answers. */
export const replica = (changes: Partial<ProbeFacts> = {}): Finding => ({
  kind: 'answer',
  facts: facts({ inRecovery: true, ...changes }),
})
/** No answer in time. */
export const failed: Finding = { kind: 'failed', detail: 'silence' }
/** Nothing listens. */
export const refused: Finding = { kind: 'refused', detail: 'connection refused' }
/** The server is starting up. */
export const starting: Finding = { kind: 'starting', detail: 'starting up' }
/** The server has no free connection. */
export const busy: Finding = { kind: 'busy', detail: 'too many connections' }
/** The server refuses the password. */
export const denied: Finding = { kind: 'denied', error: new Error('wrong password') }

let clock = 0

/** A settled view of nodes a, b and c after these findings, each sent later than the one before. */
export function viewOf(
  findings: readonly (readonly [string, Finding])[],
  options: Partial<ClusterViewOptions> = {},
): ClusterView {
  const start = emptyView(['a', 'b', 'c'], { fence: 'timeline', deadAfter: 2, ...options })
  return endFirstRound(see(start, findings))
}

/** The view after these findings, each sent later than the one before. */
export function see(
  view: ClusterView,
  findings: readonly (readonly [string, Finding])[],
): ClusterView {
  return findings.reduce(
    (seen, [id, finding]) => observe(seen, id, { ...of(id, finding), sentAt: ++clock }),
    view,
  )
}

/** Each node is a server of its own, unless the finding says on which port it listens. */
export function of(id: string, finding: Finding): Finding {
  if (finding.kind !== 'answer' || finding.facts.port !== undefined) return finding
  return { kind: 'answer', facts: { ...finding.facts, port: 5432 + id.charCodeAt(0) } }
}

/** State of each node. */
export function states(view: ClusterView): Record<string, string> {
  return Object.fromEntries([...judge(view).verdicts].map(([id, { state }]) => [id, state]))
}

/** State of one node. */
export function stateOf(view: ClusterView, id: string): string | undefined {
  return judge(view).verdicts.get(id)?.state
}

/** The consequences of the second view. */
export const between = (before: ClusterView, next: ClusterView): Consequence[] =>
  consequences({ view: before, judgement: judge(before) }, { view: next, judgement: judge(next) })
