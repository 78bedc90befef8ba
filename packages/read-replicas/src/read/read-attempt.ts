import type { CallParty } from '@poolhouse/core/kit'
import type { ReplicaNode } from '../nodes/replica-node.js'
import type { ReadRoute } from '../route/read-route.js'
import type { SessionMemory } from '../session/session-memory.js'
import type { ReadCall } from './read-call.js'

/** What is known of a call when it leaves the usual way. */
export interface Start {
  /** When the caller made the call. */
  readonly startedAt: number
  /** The replica that has been chosen already. */
  readonly first?: ReplicaNode | undefined
  /** The replica that has failed already. */
  readonly failed?: Failure
  /** How the primary has failed already. */
  readonly lost?: { readonly error: unknown }
  /** Whether no standby can run it. */
  readonly primaryOnly?: boolean
  /** The `partyOfCall` of the call, if that has returned to its caller by now. */
  readonly party?: CallParty | undefined
}

/** A replica on which a read has failed. */
export interface Failure {
  /** The replica. */
  readonly node: ReplicaNode
  /** Why. */
  readonly error: unknown
}

/** How far a call has come. */
export interface ReadAttempt<R> {
  /** Chooses its replicas. */
  readonly route: ReadRoute
  /** What is run. */
  readonly call: ReadCall<R>
  /** The session whose writes and reads it must see; undefined for none. */
  readonly session: SessionMemory | undefined
  /** When the call must be over, on the pool's clock; `Infinity` for no limit. */
  readonly deadline: number
  /** The `partyOfCall` of the call, for which it is sent. */
  readonly party: CallParty | undefined
  /** The replicas that have failed. */
  readonly tried: Set<ReplicaNode>
  /** Whether a replica has refused it because it is a standby. */
  primaryOnly: boolean
  /** What is left of the limit, in milliseconds, at least 1; undefined for no limit. */
  remainingMs(): number | undefined
}
