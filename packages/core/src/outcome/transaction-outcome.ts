import {
  checkOptions,
  checkSignal,
  checkTimeout,
  type OptionChecks,
  optionChecks,
} from '../base/option-check.js'

/**
 * What tells a transaction from every other one, and where in the history of its cluster it was
 * begun.
 */
export interface TransactionIdentity {
  /**
   * Its `xid8`, in decimal. Unique on one timeline of one cluster, and there only until a crash of
   * the server.
   */
  readonly xid: string
  /**
   * When the postmaster of the server started, as `ServerIdentity` has it; undefined if it was not
   * told.
   */
  readonly startedAt?: string | undefined
  /** Address and port of the server, as it sees them; undefined if it was not told. */
  readonly place?: string | undefined
  /** Process id of the server process that runs it; the real one, also behind a pooler. */
  readonly backendPid: number
  /** Where the write-ahead log ended when it began, such as `16/B374D848`. */
  readonly startLsn: string
  /** Timeline of the server when it began. */
  readonly timeline: number
  /** When it began by the clock of the server, in PostgreSQL's own text form. */
  readonly begunAt: string
}

/**
 * What became of a transaction whose COMMIT got no answer:
 *
 * - `committed`: it was done
 * - `aborted`: it was not done and never will be
 * - `lost`: it is not in the history of the present primary; a former primary that was left behind
 *   may have committed it
 * - `unknown`: nothing proves either
 *
 * After `aborted` and `lost` the work can be done again.
 */
export type TransactionOutcome = 'committed' | 'aborted' | 'lost' | 'unknown'

/**
 * Options of `InDoubtError.resolve`.
 *
 * @example
 * declare const doubt: InDoubtError
 * await doubt.resolve({ timeoutMs: 5_000, signal: AbortSignal.timeout(4_000) })
 */
export interface ResolveOptions {
  /** Longest time in milliseconds; then the outcome is `unknown`. Default 15 000. */
  timeoutMs?: number | undefined
  /**
   * Gives up: `resolve` rejects with `AbortError`. The outcome stays as open as it was. Default:
   * none.
   */
  signal?: AbortSignal | undefined
}

/**
 * Finds out what became of one transaction, in the time that it is given. A failure of its own
 * counts as `unknown`.
 */
export type OutcomeResolver = (limits: {
  readonly timeoutMs: number
  readonly signal: AbortSignal | undefined
}) => Promise<TransactionOutcome>

const RESOLVE_MS = 15_000

const CHECKS: OptionChecks = optionChecks({ timeoutMs: checkTimeout, signal: checkSignal })

/**
 * Checks the options of `resolve` and fills in the default. Throws `TypeError` or `RangeError`
 * naming option and value.
 */
export function readResolveOptions(options: ResolveOptions): {
  timeoutMs: number
  signal: AbortSignal | undefined
} {
  checkOptions('resolve', options, CHECKS)
  const { timeoutMs = RESOLVE_MS, signal } = options
  return { timeoutMs, signal }
}
