import type { ServerIdentity } from '@poolhouse/core'
import { type AcceptsServer, isSameServer } from '@poolhouse/core/kit'
import type { ProbeFacts } from '../base/observation.js'
import { type ClusterView, factsOf, highestTimeline } from './cluster-view.js'

/**
 * The servers besides the one that answers for a node whose connections must not be believed. A
 * name may have led to another server before, or lead to several, and its connections stay where
 * they are: each is judged by its own server. That server is fenced if it was a primary on a
 * timeline below the highest that has been seen. `former` is what was answered for the node before.
 * Undefined where nothing can be told: the timeline is no fence, a pooler stands in between, or
 * the node does not answer.
 */
export function fencedServers(
  view: ClusterView,
  id: string,
  former?: ProbeFacts,
): AcceptsServer | undefined {
  const now = factsOf(view, id)
  const highest = highestTimeline(view)
  if (now === undefined || highest === undefined || view.fence !== 'timeline') return undefined
  if (view.nodes.get(id)?.behind !== undefined) return undefined
  return (server) => {
    if (server === undefined || isSameServer(server, now)) return false
    if (server.systemId !== view.systemId) return false
    return isBelow(server, highest) || (isSameServer(server, former) && isBelow(former, highest))
  }
}

function isBelow(
  server: Pick<ServerIdentity, 'inRecovery' | 'timeline'> | undefined,
  highest: number,
): boolean {
  return server?.inRecovery === false && (server.timeline ?? highest) < highest
}
