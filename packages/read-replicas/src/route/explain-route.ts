import type { Intent } from '@poolhouse/core'
import type { Classification, DecidingToken } from '@poolhouse/core/sql'
import type { ReplicaNode } from '../nodes/replica-node.js'
import { type ReadRoute, whyUnfit } from './read-route.js'

/** Says whether one server may serve a read, and why. */
export interface RouteCandidate {
  /** Name of its pool. */
  readonly node: string
  /** Whether a read may go there now. */
  readonly eligible: boolean
  /** Why, as a clause for humans. */
  readonly reason: string
}

/** Where a statement would go now, and why. */
export interface RouteExplanation {
  /** The kind of server. */
  readonly target: 'primary' | 'replica'
  /** Name of the server's pool. With a random strategy the next read may draw another one. */
  readonly node: string
  /** Why it goes there, as a sentence for humans. */
  readonly reason: string
  /**
   * What decided whether it is a read: the `call` or its view, `runWith`, the `hint` in a comment
   * before the statement, its `text`, `experience` with a replica that has refused such a
   * statement, or `nothing`.
   */
  readonly decidedBy: RouteCause['by']
  /** The part of the text that decided, if there is one. */
  readonly token?: DecidingToken
  /** Every server that might serve reads, with the reason for or against it. */
  readonly candidates: readonly RouteCandidate[]
}

/** What decided whether a statement is a read. */
export interface RouteCause {
  /** The source of the decision. */
  readonly by: 'call' | 'runWith' | 'hint' | 'text' | 'experience' | 'nothing'
  /** The decision. */
  readonly intent: Intent
  /** What was found in the text, if it was looked at. */
  readonly classification?: Classification | undefined
}

/** Explains where such a statement goes on this route. Chooses no node and sends nothing. */
export function explainRoute(
  cause: RouteCause,
  route: ReadRoute,
  replicas: readonly ReplicaNode[],
  primary: string,
  now: number,
): RouteExplanation {
  const node = cause.intent === 'read' ? route.peek(now) : undefined
  const candidates = replicas.map((replica) => candidateOf(replica, route, now))
  return Object.freeze({
    target: node === undefined ? 'primary' : 'replica',
    node: node === undefined ? primary : node.node,
    reason: reasonOf(cause, route, node, candidates),
    decidedBy: cause.by,
    ...(cause.classification?.token && { token: cause.classification.token }),
    candidates: Object.freeze(candidates),
  })
}

/** Why no replica fits, node by node, for messages. */
export function describeCandidates(
  route: ReadRoute,
  replicas: readonly ReplicaNode[],
  now: number,
): string {
  if (replicas.length === 0) return 'there is none'
  return replicas
    .map((node) => candidateOf(node, route, now))
    .map((candidate) => `"${candidate.node}": ${candidate.reason}`)
    .join('; ')
}

function candidateOf(node: ReplicaNode, route: ReadRoute, now: number): RouteCandidate {
  const unfit = whyUnfit(node, route.terms, now)
  return Object.freeze({
    node: node.node,
    eligible: unfit === undefined,
    reason: unfit ?? whyFit(node, route, now),
  })
}

function whyFit(node: ReplicaNode, route: ReadRoute, now: number): string {
  const staleness = node.stalenessAt(now)
  const behind =
    staleness === undefined
      ? 'its age is not known and the read accepts any'
      : `it is at most ${Math.round(staleness)} ms behind`
  const more = node.freshness === undefined ? '' : `; ${node.freshness}`
  const passedOver = route.isSpill(node) ? ', but others are in our own zone' : ''
  return `${behind}${more}, with ${node.inFlight} reads in flight${passedOver}`
}

function reasonOf(
  cause: RouteCause,
  route: ReadRoute,
  node: ReplicaNode | undefined,
  candidates: readonly RouteCandidate[],
): string {
  if (cause.intent === 'write') return reasonForPrimary(cause)
  const said =
    cause.classification === undefined ? '' : `by its text ${cause.classification.reason}; `
  if (candidates.length === 0) {
    return `${said}a read, but there are no replicas: it goes to the primary`
  }
  const fit = candidates.filter(({ eligible }) => eligible).length
  const counted = `${fit} of ${candidates.length} replicas fit a read that accepts data ${route.terms.maxStalenessMs} ms old`
  return node === undefined
    ? `${said}${counted}: it goes to the primary, within primaryShare`
    : `${said}${counted}: the strategy chose "${node.node}"`
}

function reasonForPrimary({ by, classification }: RouteCause): string {
  switch (by) {
    case 'hint':
      return 'the comment before it says that it writes: it goes to the primary'
    case 'text':
      return `its text does not say that it only reads, ${classification?.reason ?? ''}: it goes to the primary`
    case 'experience':
      return 'a replica has refused such a statement before: it goes to the primary'
    default:
      return 'work that does not declare itself a read goes to the primary; use reader(), { intent: "read" } or transaction({ readOnly: true })'
  }
}
