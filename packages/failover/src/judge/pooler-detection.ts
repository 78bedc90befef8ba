import type { ProbeFacts } from '../base/observation.js'

/** Identifies the server that answered; undefined if it says nothing about itself. */
export function serverOf({ startedAt, address }: ProbeFacts): string | undefined {
  return startedAt === undefined ? undefined : `${address ?? 'socket'}, started ${startedAt}`
}

/**
 * What shows that a probe went through a pooler or a proxy, in words for humans; undefined if
 * nothing does.
 *
 * A backend keeps its process id for as long as its session lasts, and announces it when the
 * session starts. If another backend answers, a pooler assigns the sessions. If a server answers
 * again after another one answered at the same address, it was not replaced in between: a proxy
 * chooses between the two. A single change of the server proves nothing, because servers are
 * restarted and names move.
 */
export function seenBehind(servers: readonly string[], facts: ProbeFacts): string | undefined {
  const { backendPid, sessionPid } = facts
  if (backendPid !== undefined && sessionPid !== undefined && backendPid !== sessionPid) {
    return 'a pooler: its sessions are served by processes of other sessions'
  }
  const server = serverOf(facts)
  const isFormer = server !== undefined && servers.slice(0, -1).includes(server)
  return isFormer ? 'a proxy: several servers answer in turn' : undefined
}
