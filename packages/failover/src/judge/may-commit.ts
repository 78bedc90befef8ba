import type { NodeState } from '@poolhouse/core'
import type { ProbeFacts } from '../base/observation.js'
import type { ClusterView } from './cluster-view.js'
import type { Judgement } from './judgement.js'

/**
 * Whether any server may be taking writes of our cluster. Only a server that refuses connections is
 * certainly gone: one that is silent may serve other clients, and one of which nothing is known may
 * have been promoted. While no server can commit, replicas do not grow older: what was fresh when
 * the primary was lost goes on serving reads.
 */
export function mayCommit(view: ClusterView, { primary, verdicts }: Judgement): boolean {
  if (primary !== undefined || view.contest !== undefined) return true
  for (const [id, { standing, failures }] of view.nodes) {
    switch (standing.kind) {
      case 'down':
        if (!standing.gone) return true
        break
      case 'answer':
        // It may have been promoted since its last answer.
        if (failures > 0 || !isHarmless(verdicts.get(id)?.state, standing.facts)) return true
        break
      case 'none':
      case 'denied':
      case 'starting':
        return true
    }
  }
  return false
}

// States of a server whose commits are not our cluster's: it belongs to another cluster, or to a
// history that ours has left behind.
const APART: ReadonlySet<NodeState | undefined> = new Set(['fenced', 'foreign', 'diverged'])

function isHarmless(state: NodeState | undefined, { inRecovery }: ProbeFacts): boolean {
  return inRecovery || APART.has(state)
}
