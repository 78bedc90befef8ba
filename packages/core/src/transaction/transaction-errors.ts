import type { Statement } from '../api/statement.js'
import { setExecuted } from '../outcome/database-error.js'
import { ConnectionLostError, StatementTimeoutError, TransactionError } from '../outcome/errors.js'
import type { Executed } from '../outcome/outcome.js'
import { PoolhouseError } from '../outcome/poolhouse-error.js'
import { traitsOf } from '../sql/statement-traits.js'
import { CONTROLS_TRANSACTION } from '../sql/trait-flags.js'

/**
 * Throws `TransactionError` for a statement that begins or ends a transaction; `call` is named in
 * the message.
 */
export function refuseControl(call: string, { text }: Statement, escapes: boolean): void {
  if ((traitsOf(text, escapes) & CONTROLS_TRANSACTION) === 0) return
  throw new TransactionError(
    `${call} cannot begin or end a transaction; return from the callback to commit, use tx.rollback() to roll back and tx.savepoint(work) to nest`,
  )
}

/** The error of a call to a transaction that is over. */
export function overError(executed: Executed = 'no'): TransactionError {
  return new TransactionError(
    'this transaction is over; await every query inside the callback, and do not keep tx beyond it',
    { executed },
  )
}

/** The error of a call to a savepoint that is over. */
export function scopeOverError(executed: Executed = 'no'): TransactionError {
  return new TransactionError(
    'this savepoint is over; await every query inside its callback, and do not keep its argument beyond it',
    { executed },
  )
}

/** The error of a transaction that its `timeoutMs` ended. */
export function stoppedByTimeout(timeoutMs: number, pool: string): StatementTimeoutError {
  return new StatementTimeoutError(timeoutMs, { executed: 'rolled-back', pool })
}

/** The error of a transaction that a statement such as `select 1; commit` has ended. */
export function endedUnseenError(): TransactionError {
  return new TransactionError(
    'a statement ended the transaction; its parts may have been committed',
    { executed: 'unknown' },
  )
}

/** The error of a transaction whose COMMIT was answered with ROLLBACK, because of `cause`. */
export function rolledBackError(cause: unknown): TransactionError {
  return new TransactionError(
    'COMMIT was answered with ROLLBACK: an earlier statement of the transaction had failed',
    { executed: 'rolled-back', cause },
  )
}

/** The error of a savepoint whose work returned although its statement failed with `cause`. */
export function savepointRolledBackError(cause: unknown): TransactionError {
  return new TransactionError(
    'the savepoint was rolled back: an earlier statement of it had failed, and its work returned all the same',
    { executed: 'rolled-back', cause },
  )
}

/**
 * Throws what the caller is told of a COMMIT whose call failed, unless it has succeeded. `inDoubt`
 * makes the error where its outcome is not known.
 */
export function refuseUnlessCommitted(
  error: unknown,
  cancelSent: boolean,
  inDoubt: (cause: PoolhouseError) => Error,
): void {
  if (!(error instanceof PoolhouseError)) throw error
  switch (error.executed) {
    case 'unknown':
      throw inDoubt(error)
    case 'yes':
      // Another client terminated the session in its wait for the standbys, so there is no other
      // answer.
      if (cancelSent || !(error instanceof ConnectionLostError)) throw error
      return
    case 'no':
      // COMMIT was not sent, so the release of the connection rolls back.
      setExecuted(error, 'rolled-back')
      throw error
    case 'rolled-back':
      throw error
  }
}
