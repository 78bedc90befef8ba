import type { BalanceFunction, ReplicaCandidate } from '@poolhouse/read-replicas'

/** Options of `inOrder`. */
export interface InOrderOptions {
  /** Reads that a replica may have under way before the next in line is used. */
  readonly spillAt: number
}

/**
 * Uses the replicas in the order of `names`: the second only while the first is busy, and so on.
 * For replicas that do not cost the same. Replicas that `names` leaves out come last.
 */
export function inOrder(names: readonly string[], { spillAt }: InOrderOptions): BalanceFunction {
  const ranks = new Map(names.map((name, rank) => [name, rank]))
  const rankOf = (node: string): number => ranks.get(node) ?? names.length
  return (candidates) => {
    let freest = candidates[0]!
    let chosen: ReplicaCandidate | undefined
    for (const candidate of candidates) {
      if (candidate.inFlight < freest.inFlight) freest = candidate
      const isFree = candidate.inFlight < spillAt
      if (isFree && (chosen === undefined || rankOf(candidate.node) < rankOf(chosen.node))) {
        chosen = candidate
      }
    }
    // All are busy: the one that has least to do.
    return chosen ?? freest
  }
}
