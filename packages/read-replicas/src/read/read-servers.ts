import type { Pool } from '@poolhouse/core'
import type { Background } from '../base/background.js'
import { blameOf } from '../base/read-failure.js'
import type { Ejection } from '../nodes/ejection.js'
import { type Membership, primaryPoolOf } from '../nodes/membership.js'
import type { ReplicaNode } from '../nodes/replica-node.js'
import type { ReplicaSet } from '../nodes/replica-set.js'
import { describeCandidates } from '../route/explain-route.js'
import type { ReadRoute } from '../route/read-route.js'
import type { ReadTarget } from './read-call.js'

/** The servers that the reads of one pool may reach, and what follows when a read fails on one. */
export class ReadServers {
  readonly #primary: Pool
  readonly #set: ReplicaSet
  readonly #membership: Membership
  readonly #ejection: Ejection
  readonly #background: Background

  /** `primary` takes the pool's writes. */
  constructor(
    primary: Pool,
    set: ReplicaSet,
    membership: Membership,
    ejection: Ejection,
    background: Background,
  ) {
    this.#primary = primary
    this.#set = set
    this.#membership = membership
    this.#ejection = ejection
    this.#background = background
  }

  /** The replicas, fit or not: every node except the one that takes writes now. */
  get replicas(): readonly ReplicaNode[] {
    const primary = primaryPoolOf(this.#primary)
    return this.#set.nodes.filter(({ origin }) => origin !== primary)
  }

  /**
   * Whether reads on the primary are counted and limited. Without replicas there is nothing to
   * limit: the primary is the place for all of them.
   */
  get limitsPrimary(): boolean {
    const primary = primaryPoolOf(this.#primary)
    for (const { origin } of this.#set.nodes) if (origin !== primary) return true
    return false
  }

  /** Whether another server than the primary serves reads while no replica fits. */
  get hasStandIn(): boolean {
    return this.#membership.standIn !== undefined
  }

  /** Where a read goes when no replica fits. */
  lastResort(): ReadTarget {
    const { standIn } = this.#membership
    // The stand-in refuses writes itself: that is why it is no primary.
    if (standIn !== undefined) return { pool: standIn.pool, writable: false }
    return { pool: this.#primary, writable: true }
  }

  /** Why no replica fits, node by node. */
  describe(route: ReadRoute): string {
    return describeCandidates(route, this.replicas, this.#background.now())
  }

  /**
   * A read failed on the node. `hasStarted` says that code of the caller has run: then the error
   * may come from any other server, and only a probe of the node decides.
   */
  failed(node: ReplicaNode, error: unknown, hasStarted: boolean): void {
    if (this.#background.stopped.aborted) return
    if (!hasStarted) {
      if (this.#ejection.failed(node, error)) this.#membership.suspect(node)
      return
    }
    const blame = blameOf(error)
    if (blame === 'none' || blame === 'own') return
    this.#ejection.question(node)
    this.#membership.suspect(node)
  }
}
