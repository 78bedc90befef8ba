import type { ReplicaNode } from '../nodes/replica-node.js'
import type { SessionToken } from '../position/session-token.js'
import type { Positions } from './positions.js'

// Reads of a session stay on one replica, which never goes backwards, so that they cost no
// questions. After this long the session asks for its position once and is free to choose again: a
// session for a whole process must not keep one replica busy alone.
const PIN_MS = 1_000

/** The replica that a session stays on. */
export class SessionPin {
  readonly #positions: Positions
  #node: ReplicaNode | undefined
  #since = 0
  // The life of its server, and the position it had in that life: a standby that has been somewhere
  // never goes back before it is restarted.
  #incarnation = 0
  #floor: SessionToken | undefined

  /** Stays nowhere at first. */
  constructor(positions: Positions) {
    this.#positions = positions
  }

  /** Stays from now on where everything before `floor` is. */
  set(node: ReplicaNode, now: number, floor: SessionToken | undefined): void {
    this.#incarnation = this.#positions.samplerOf(node).incarnation
    this.#floor = floor
    this.#node = node
    this.#since = now
  }

  /** Stays there no longer. */
  clear(): void {
    this.#node = undefined
  }

  /** The replica, for as long as it may be stayed on and its server is certainly the same. */
  at(now: number): ReplicaNode | undefined {
    const node = this.#node
    if (node === undefined || now - this.#since >= PIN_MS) return undefined
    const sampler = this.#positions.samplerOf(node)
    // Nobody would tell of a restart, after which it may stand before what it has shown.
    return sampler.watching && sampler.incarnation === this.#incarnation ? node : undefined
  }

  /**
   * Whether it has everything before `floor`, which may have been raised since. To be asked of what
   * `at` has given.
   */
  shows(floor: SessionToken | undefined): boolean {
    if (this.#floor === floor) return true
    if (floor !== undefined && !this.#positions.covers(this.#node!, floor)) return false
    this.#floor = floor
    return true
  }
}
