/** Why a call went to its server, and what else happened to it. */
export type RoutingReason =
  | 'write'
  | 'replica'
  | 'primaryNoReplicas'
  | 'primaryNoneFits'
  | 'primaryToken'
  | 'primarySerializable'
  | 'primaryStandby'
  | 'standIn'
  | 'moved'
  | 'retried'
  | 'tokenWaits'
  | 'staleWaits'
  | 'refusedStale'
  | 'hedged'
  | 'hedgesWon'
  | 'racesWon'
  | 'tokensRefused'
  | 'classified'
  | 'reruns'

/** Counts decisions by reason, for `stats().routing`. */
export class RoutingCounters {
  readonly #counts: Record<RoutingReason, number> = {
    write: 0,
    replica: 0,
    primaryNoReplicas: 0,
    primaryNoneFits: 0,
    primaryToken: 0,
    primarySerializable: 0,
    primaryStandby: 0,
    standIn: 0,
    moved: 0,
    retried: 0,
    tokenWaits: 0,
    staleWaits: 0,
    refusedStale: 0,
    hedged: 0,
    hedgesWon: 0,
    racesWon: 0,
    tokensRefused: 0,
    classified: 0,
    reruns: 0,
  }

  /** Adds one to the count of the reason. */
  count(reason: RoutingReason): void {
    this.#counts[reason]++
  }

  /** A copy of the counts. */
  snapshot(): Readonly<Record<RoutingReason, number>> {
    return Object.freeze({ ...this.#counts })
  }
}
