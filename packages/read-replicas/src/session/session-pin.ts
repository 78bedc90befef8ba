import type { ReplicaNode } from '../nodes/replica-node.js'
import type { SessionToken } from '../position/session-token.js'
import type { Positions } from './positions.js'

// A session stays on one replica, because a replica never goes back and so need not be asked. After
// this long the session asks for the position once and may choose again: a session that lives as
// long as the process must not send all its reads to one replica.
const PIN_MS = 1_000

/** The replica that a session stays on. */
export class SessionPin {
  readonly #positions: Positions
  #node: ReplicaNode | undefined
  #since = 0
  // The life of its server, and a position that it has reached in that life. A standby never goes
  // back behind such a position without a restart.
  #incarnation = 0
  #floor: SessionToken | undefined

  /** Stays on no replica at first. */
  constructor(positions: Positions) {
    this.#positions = positions
  }

  /** Stays on this replica from now on. It has replayed up to `floor`. */
  set(node: ReplicaNode, now: number, floor: SessionToken | undefined): void {
    this.#incarnation = this.#positions.samplerOf(node).incarnation
    this.#floor = floor
    this.#node = node
    this.#since = now
  }

  /** Stays on no replica any more. */
  clear(): void {
    this.#node = undefined
  }

  /**
   * The replica, while the session may stay on it and its server is certain not to have been
   * restarted.
   */
  at(now: number): ReplicaNode | undefined {
    const node = this.#node
    if (node === undefined || now - this.#since >= PIN_MS) return undefined
    const sampler = this.#positions.samplerOf(node)
    // Without an open session a restart would go unnoticed, after which it may be behind what it
    // has shown.
    return sampler.watching && sampler.incarnation === this.#incarnation ? node : undefined
  }

  /**
   * Whether the replica that `at` has returned has replayed up to `floor`, which may have been
   * raised since.
   */
  shows(floor: SessionToken | undefined): boolean {
    if (this.#floor === floor) return true
    if (floor !== undefined && !this.#positions.covers(this.#node!, floor)) return false
    this.#floor = floor
    return true
  }
}
