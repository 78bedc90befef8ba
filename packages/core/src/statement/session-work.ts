import type { Statement } from '../api/statement.js'
import type { Timed } from '../base/deadline-queue.js'
import type { PoolEngine } from '../engine/pool-engine.js'
import { CONFIRM_MS } from '../outcome/cancelled-call.js'
import { DatabaseError, setStatement } from '../outcome/database-error.js'
import { endsSession } from '../outcome/error-meaning.js'
import { AbortError, StatementTimeoutError } from '../outcome/errors.js'
import type { Durability, Executed } from '../outcome/outcome.js'
import { PoolhouseError } from '../outcome/poolhouse-error.js'
import type { Occupant } from '../slot/occupant.js'
import type { Slot } from '../slot/slot.js'
import { shownText } from '../sql/hide-strings.js'
import { traitsOf } from '../sql/statement-traits.js'

/** What work on a session needs of its pool's engine. */
export type WorkHost = Pick<
  PoolEngine,
  | 'name'
  | 'config'
  | 'clock'
  | 'deadlines'
  | 'recorder'
  | 'pooler'
  | 'statementTimeoutMs'
  | 'now'
  | 'wakeAt'
  | 'cancel'
  | 'countTimeout'
>

/** What takes its turn on a connection: a statement, or another call to the driver. */
export interface OrderedWork {
  /** Whether its caller has an answer already, so that it need not be begun. */
  readonly settled: boolean
  /** Something else is before it. */
  queue(now: number): void
  /** Its turn: begins, and says `finished` to the order once. */
  receive(slot: Slot, now: number): void
  /** Fails with nothing sent. */
  drop(error: Error): void
  /**
   * It has the session, and sends nothing more: its lease is over. For work that sends one thing
   * after another and is not over with its first answer.
   */
  cut?(errorOf: (executed: Executed) => Error): void
}

/** Work that has its session to itself until it is over: a stream or a copy. */
export interface ExclusiveWork extends OrderedWork, Occupant {
  /** Gives up: its caller gets `error` at once, and the session is brought back meanwhile. */
  stop(error: unknown): void
}

/** Decides which work has the session next. */
export interface WorkOwner {
  /** The work is over for its caller. Its session may still be busy with it. */
  over(work: ExclusiveWork): void
  /** The server has answered everything that the work has sent. */
  freed(slot: Slot): void
}

/**
 * Notes in the slot that work with this text begins; `statement` is what is sent for it at once.
 * Returns the traits of the text, as the session reads it.
 */
export function beginOn(
  slot: Slot,
  { pooler }: WorkHost,
  text: string,
  now: number,
  statement?: Statement,
): number {
  slot.begin(text, now, statement)
  const traits = traitsOf(text, slot.escapes)
  if (pooler === undefined) slot.marks.note(traits)
  return traits
}

/** Gives the work its only deadline, `ms` from now, in the place of the one it has. */
export function setDeadline(host: WorkHost, work: Timed, now: number, ms: number): void {
  host.deadlines.remove(work)
  host.deadlines.add(work, now, ms)
  host.wakeAt(now + ms)
}

/**
 * Asks the server to cancel the work, whose caller waits at most `CONFIRM_MS` more for the server's
 * answer.
 */
export function cancelWork(host: WorkHost, work: Timed, slot: Slot, now: number): void {
  host.cancel(slot)
  setDeadline(host, work, now, CONFIRM_MS)
}

/**
 * Marks the session as lost if this answer has ended it: before the next borrower can get the
 * connection, because the socket may report its end a moment later. Counts the other errors of the
 * server, but for those that a cancel of ours has caused.
 */
export function noteError(
  { recorder }: Pick<WorkHost, 'recorder'>,
  slot: Slot,
  error: unknown,
): void {
  if (endsSession(error)) slot.markLost(error)
  else if (error instanceof DatabaseError && !slot.cancelSent) recorder.errors++
}

/** Says of an error of ours which statement it is about. Returns it; others as they are. */
export function aboutStatement<E>({ config }: Pick<WorkHost, 'config'>, error: E, text: string): E {
  if (error instanceof PoolhouseError) {
    setStatement(error, shownText(text, config.errorDetail === 'drop'))
  }
  return error
}

/**
 * The error of work that was given up: an `AbortError` if `signal` has fired, otherwise a
 * `StatementTimeoutError` with the limit that was passed, in milliseconds.
 */
export function givenUpError(
  pool: string,
  signal: AbortSignal | undefined,
  limitMs: number,
  executed: Executed,
  cause?: unknown,
  durability?: Durability,
): Error {
  if (signal !== undefined) return new AbortError(signal.reason, executed, durability)
  return new StatementTimeoutError(limitMs, { executed, pool, cause, durability })
}
