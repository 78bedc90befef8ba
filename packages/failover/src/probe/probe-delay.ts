/** What decides when a node is probed next. */
export interface ProbeDelayInput {
  /** The configured interval, in milliseconds. */
  readonly intervalMs: number
  /** Whether a primary has to be found: there is none, or it has just failed a probe. */
  readonly urgent: boolean
  /** Failed probes of this node in a row. */
  readonly failures: number
  /** How long ago the last probe of this node was sent, in milliseconds. */
  readonly sinceSentMs: number
  /** Failed probes in a row that prove a node dead. */
  readonly deadAfter: number
  /** How many times in a row the node has refused our credentials or our database. */
  readonly denials: number
  /**
   * For how long the lag of this replica has been unknown although it answers, in milliseconds;
   * undefined if it is known.
   */
  readonly unknownForMs: number | undefined
  /** A random number from 0 (included) to 1 (excluded). */
  readonly random: number
}

const URGENT_LEAST_MS = 100
const URGENT_SPREAD_MS = 150
const DENIED_MOST_MS = 10_000
// A burst of connection resets lasts a few milliseconds and must not count as two failures.
const CONFIRM_MS = 100
// The lag of a replica is unknown until it has replayed what the primary said first. As a rule that
// takes a round trip, so the replica is asked again soon, and less and less often the longer it
// takes: after half the time for which the lag has been unknown.
const UNKNOWN_LEAST_MS = 10
const UNKNOWN_SHARE = 0.5

/** How long to wait before the next probe of a node, in milliseconds. */
export function probeDelay(input: ProbeDelayInput): number {
  const { intervalMs, urgent, failures, sinceSentMs, deadAfter, denials, unknownForMs, random } =
    input
  const regular = intervalMs * (0.8 + 0.4 * random)
  // Trying a wrong password ten times a second may lock the account.
  if (denials > 0) return Math.max(regular, Math.min(DENIED_MOST_MS, regular * 2 ** (denials - 1)))
  // After a first failure the second probe follows at once: until it has decided, callers wait for
  // a node that may be dead.
  if (failures > 0 && failures < deadAfter) return Math.max(0, CONFIRM_MS - sinceSentMs)
  if (unknownForMs !== undefined) {
    return Math.min(regular, Math.max(UNKNOWN_LEAST_MS, unknownForMs * UNKNOWN_SHARE))
  }
  return urgent ? Math.min(regular, URGENT_LEAST_MS + URGENT_SPREAD_MS * random) : regular
}
