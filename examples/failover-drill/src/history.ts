import { type Executed, PoolhouseError } from '@poolhouse/core'

/** How a call ended, as its caller was told. */
export type Outcome =
  /** An answer came; `node` served it. */
  | { readonly kind: 'acknowledged'; readonly node: string | undefined }
  /** An error that states the outcome of the work. */
  | { readonly kind: 'failed'; readonly error: string; readonly executed: KnownExecuted }
  /** An error that says: it was sent, and the outcome is unknown. */
  | { readonly kind: 'in-doubt'; readonly error: string }

type KnownExecuted = Exclude<Executed, 'unknown'>

/** One call of one worker. Times are readings of `performance.now()` in milliseconds. */
export interface Call {
  /** Unique among all calls of its kind; for a write, the value in the column `id`. */
  readonly id: string
  /** When the worker made the call. */
  readonly startedAt: number
  /** When it got the answer or the error; undefined while it waits. */
  endedAt?: number
  /** What it got. */
  outcome?: Outcome
}

/** A call that was acknowledged. */
export interface AcknowledgedCall extends Call {
  readonly endedAt: number
  readonly outcome: Extract<Outcome, { kind: 'acknowledged' }>
}

/** What the table holds for one id. */
export interface StoredId {
  readonly id: string
  /** Rows with this id; 1 if all is well. */
  readonly copies: number
}

/** What the data say about the promises that were made to the callers. */
export interface Verification {
  readonly acknowledged: number
  /** Acknowledged, and not in the table. */
  readonly missing: readonly string[]
  /** In the table more than once. */
  readonly duplicated: readonly string[]
  /** In the table, and no call had that id. */
  readonly phantom: readonly string[]
  /**
   * The error said `no` or `rolled-back` and the row is there, or it said `yes` and the row is not.
   */
  readonly wrongClaims: readonly string[]
  /** Calls without a known outcome, and what the table says of them. */
  readonly inDoubt: { readonly happened: number; readonly notHappened: number }
  /** Calls that got neither an answer nor an error. */
  readonly neverSettled: number
  /** Failed calls by the class of their error. Calls in doubt are not among them. */
  readonly failed: Readonly<Record<string, number>>
}

/** A stretch of time in which nothing was acknowledged. */
export interface Gap {
  readonly from: number
  readonly to: number
  readonly ms: number
}

/** Everything that the workers asked for, and what they were told. */
export class History {
  readonly writes: Call[] = []
  readonly reads: Call[] = []

  /** Calls that wait for an answer. */
  waiting(kind: 'writes' | 'reads'): number {
    return this[kind].reduce((sum, call) => sum + (call.outcome === undefined ? 1 : 0), 0)
  }
}

/**
 * What an error says about the work of its call. An error that is not of Poolhouse says nothing:
 * in doubt.
 */
export function outcomeOf(error: unknown): Outcome {
  if (!(error instanceof PoolhouseError)) {
    return { kind: 'in-doubt', error: error instanceof Error ? error.name : typeof error }
  }
  const { executed } = error
  const name = error.name === 'DatabaseError' ? `DatabaseError ${error.code}` : error.name
  return executed === 'unknown'
    ? { kind: 'in-doubt', error: name }
    : { kind: 'failed', error: name, executed }
}

/** Compares what the callers were told with what the table holds. */
export function verify(writes: readonly Call[], stored: readonly StoredId[]): Verification {
  const copies = new Map(stored.map((row) => [row.id, row.copies]))
  const asked = new Set(writes.map((call) => call.id))
  const missing: string[] = []
  const wrongClaims: string[] = []
  const inDoubt = { happened: 0, notHappened: 0 }
  let acknowledged = 0
  let neverSettled = 0
  for (const { id, outcome } of writes) {
    const there = copies.has(id)
    switch (outcome?.kind) {
      case undefined:
        neverSettled += 1
        break
      case 'acknowledged':
        acknowledged += 1
        if (!there) missing.push(id)
        break
      case 'failed':
        if (there !== (outcome.executed === 'yes')) wrongClaims.push(id)
        break
      case 'in-doubt':
        inDoubt[there ? 'happened' : 'notHappened'] += 1
        break
    }
  }
  return {
    acknowledged,
    missing,
    duplicated: stored.filter((row) => row.copies > 1).map((row) => row.id),
    phantom: stored.filter((row) => !asked.has(row.id)).map((row) => row.id),
    wrongClaims,
    inDoubt,
    neverSettled,
    failed: failuresByClass(writes),
  }
}

/** Counts the calls that failed with a known outcome, by the class of their error. */
export function failuresByClass(calls: readonly Call[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { outcome } of calls) {
    if (outcome?.kind === 'failed') counts[outcome.error] = (counts[outcome.error] ?? 0) + 1
  }
  return counts
}

/** The calls that were acknowledged, by the time of the answer. */
export function acknowledged(calls: readonly Call[]): AcknowledgedCall[] {
  return calls.filter(isAcknowledged).sort((one, other) => one.endedAt - other.endedAt)
}

function isAcknowledged(call: Call): call is AcknowledgedCall {
  return call.outcome?.kind === 'acknowledged'
}

/**
 * The longest time between two neighbours of `times` (ascending). The beginning and the end of the
 * load count as neighbours too: answers that never came back are a gap and not the absence of one.
 */
export function longestGap(times: readonly number[], from: number, to: number): Gap {
  let longest: Gap = { from, to: from, ms: 0 }
  let previous = from
  for (const time of [...times.filter((at) => at >= from && at <= to), to]) {
    if (time - previous > longest.ms) longest = { from: previous, to: time, ms: time - previous }
    previous = time
  }
  return longest
}
