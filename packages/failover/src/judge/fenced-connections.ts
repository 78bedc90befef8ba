import type { ServerIdentity } from '@poolhouse/core'
import { type AcceptsServer, isSameServer } from '@poolhouse/core/kit'
import type { ProbeFacts } from '../base/observation.js'
import { type ClusterView, factsOf, highestTimeline } from './cluster-view.js'

/**
 * Finds connections of a node to a fenced server other than the one that answers for the node now.
 * The node's name may have led to another server before, or may lead to several, and open
 * connections stay where they are. So each connection is judged by its own server, which is fenced
 * if it was a primary on a timeline below the highest one seen. `former` are the facts of the
 * node's probe before this one.
 *
 * Returns undefined if nothing can be said: fencing is off, a pooler stands in front of the server,
 * or the node does not answer.
 */
export function fencedConnections(
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
