/** What decides when a node is probed next. */
export interface CadenceInput {
  /** The configured interval. */
  readonly intervalMs: number
  /** Whether somebody has to be found: there is no primary, or it has just failed a probe. */
  readonly urgent: boolean
  /** Failed probes of this node in a row. */
  readonly failures: number
  /** How long ago the last probe of this node was sent, in milliseconds. */
  readonly sinceSentMs: number
  /** Failed probes in a row that prove a node dead. */
  readonly deadAfter: number
  /** How often in a row the node has refused our credentials or database. */
  readonly denials: number
  /**
   * How long it has been impossible to say how far a replica is behind although it answers, in
   * milliseconds; undefined if that can be said.
   */
  readonly unknownForMs: number | undefined
  /** From 0 to 1. */
  readonly random: number
}

const URGENT_LEAST_MS = 100
const URGENT_SPREAD_MS = 150
const DENIED_MOST_MS = 10_000
// A burst of resets is over within a few milliseconds and must not count as two failures.
const CONFIRM_MS = 100
// A replica that is a little behind what the primary said first is asked again when half as long as
// it has been unknown is over: what it lacks is there after a round trip, or the more rarely asked
// for the longer it takes.
const UNKNOWN_LEAST_MS = 10
const UNKNOWN_SHARE = 0.5

/** How long to wait before the next probe of a node, in milliseconds. */
export function probeDelay(input: CadenceInput): number {
  const { intervalMs, urgent, failures, sinceSentMs, deadAfter, denials, unknownForMs, random } =
    input
  const regular = intervalMs * (0.8 + 0.4 * random)
  // A wrong password tried ten times a second locks the account.
  if (denials > 0) return Math.max(regular, Math.min(DENIED_MOST_MS, regular * 2 ** (denials - 1)))
  // The first failure is settled by a second one, at once: until then callers hang on a node that
  // may be dead.
  if (failures > 0 && failures < deadAfter) return Math.max(0, CONFIRM_MS - sinceSentMs)
  if (unknownForMs !== undefined) {
    return Math.min(regular, Math.max(UNKNOWN_LEAST_MS, unknownForMs * UNKNOWN_SHARE))
  }
  return urgent ? Math.min(regular, URGENT_LEAST_MS + URGENT_SPREAD_MS * random) : regular
}
