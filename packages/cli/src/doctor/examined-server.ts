import type { ServerLine } from '../server/server-line.js'
import type { ServerState } from '../server/server-state.js'
import type { TargetServer } from '../target/target.js'
import type { ServerDetails } from './server-details.js'

/** A server, and what it said; nothing if it did not answer. */
export interface ExaminedServer {
  /** The server. */
  readonly server: TargetServer
  /** What it is. */
  readonly state: ServerState | undefined
  /** What the role may do there. */
  readonly details: ServerDetails | undefined
  /** The connection to it, until the examination is over. */
  readonly line: ServerLine | undefined
}

/** A server that answered. */
export interface AnsweringServer extends ExaminedServer {
  readonly state: ServerState
}

/** Those that answered. */
export function answering(servers: readonly ExaminedServer[]): readonly AnsweringServer[] {
  return servers.filter((one): one is AnsweringServer => one.state !== undefined)
}
