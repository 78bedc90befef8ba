import type { ProbeFacts } from '../base/observation.js'

/**
 * Which server answered, as far as it can be told apart; undefined if it tells nothing about
 * itself.
 */
export function serverOf({ startedAt, address }: ProbeFacts): string | undefined {
  return startedAt === undefined ? undefined : `${address ?? 'socket'}, started ${startedAt}`
}

/**
 * What shows that these facts came through a pooler or a proxy, in words for humans; undefined if
 * nothing does.
 *
 * A server process keeps its id for as long as its session lasts, and announces it when the session
 * begins: another one means that somebody in between deals the sessions out. A server that answers
 * again after another one did at the same place has not been replaced: somebody chooses between the
 * two. A single change of server proves nothing, since servers are restarted and names move.
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
