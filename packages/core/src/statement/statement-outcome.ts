import { DatabaseError, setExecuted } from '../outcome/database-error.js'
import { leavesCommitOpen } from '../outcome/error-meaning.js'
import { LeaseReleasedError, PoolClosedError } from '../outcome/errors.js'
import { PoolhouseError } from '../outcome/poolhouse-error.js'
import type { Slot } from '../slot/slot.js'
import { commitsMidway } from '../sql/commits-midway.js'
import { traitsOf } from '../sql/statement-traits.js'
import { CONTROLS_TRANSACTION } from '../sql/trait-flags.js'

/**
 * Settles in the error of a statement what only its text and its session tell of the outcome.
 * `committedLocally` is whether the server has said so of this statement.
 */
export function settleOutcome(text: string, error: Error | null, committedLocally: boolean): void {
  if (!(error instanceof PoolhouseError)) return
  const mayBeHalf = commitsMidway(text)
  // A transaction around it, if there is one, knows better and says so at its end.
  if (error instanceof DatabaseError && (mayBeHalf || leavesOpen(text, error))) {
    setExecuted(error, 'unknown')
  }
  // The session was ended in its wait for the standbys, which comes after the commit.
  if (committedLocally && !mayBeHalf && error.executed === 'unknown') {
    setExecuted(error, 'yes', 'local')
  }
}

/** Whether a COMMIT was answered with an error that says that its outcome is not known. */
function leavesOpen(text: string, error: DatabaseError): boolean {
  return (traitsOf(text) & CONTROLS_TRANSACTION) !== 0 && leavesCommitOpen(error)
}

/**
 * The error of a statement that was answered with success although the pool itself has cancelled
 * its wait for the standbys: it is closing, or the lease was given back too early.
 */
export function cutShortError(pool: string, { state }: Slot): Error {
  return state === 'leased'
    ? new PoolClosedError(pool, 'yes', 'local')
    : new LeaseReleasedError(pool, 'yes', 'local')
}
