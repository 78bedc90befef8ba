import { SessionStateError, TransactionError } from '../outcome/errors.js'
import { traitsOf } from '../sql/statement-traits.js'
import { CONTROLS_TRANSACTION, LOCKS_SESSION, READ_IN_TWO_WAYS } from '../sql/trait-flags.js'

const REFUSED = CONTROLS_TRANSACTION | LOCKS_SESSION

/**
 * Throws for a statement that makes no sense where each call may use another connection:
 * `TransactionError` for one that begins or ends a transaction, `SessionStateError` for one that
 * takes or gives back an advisory lock of the session. `call`, by default `pool.query`, is named in
 * the message. Where servers may read the text in two ways, each of them counts.
 */
export function refuseLoneStatement(
  { text }: { readonly text: string },
  call = 'pool.query',
): void {
  const traits = traitsOf(text)
  if ((traits & (REFUSED | READ_IN_TWO_WAYS)) === 0) return
  refuseWhenSent(traits, call)
  if ((traits & READ_IN_TWO_WAYS) !== 0) refuseWhenSent(traitsOf(text, true), call)
}

/**
 * As `refuseLoneStatement`, but lets a text pass that servers may read in two ways:
 * `refuseWhenSent` decides about that.
 */
export function refuseWhenCalled({ text }: { readonly text: string }): void {
  const traits = traitsOf(text)
  if ((traits & REFUSED) !== 0 && (traits & READ_IN_TWO_WAYS) === 0) refuseWhenSent(traits)
}

/**
 * As `refuseLoneStatement`, in a session that is known: `traits` is how that reads the statement.
 */
export function refuseWhenSent(traits: number, call = 'pool.query'): void {
  if ((traits & CONTROLS_TRANSACTION) !== 0) {
    throw new TransactionError(
      `${call} cannot begin or end a transaction, because each call may use another connection; use pool.transaction(work), or pool.use(work) for full control`,
    )
  }
  if ((traits & LOCKS_SESSION) !== 0) {
    throw new SessionStateError(
      `${call} cannot take or give back an advisory lock of the session, because each call may use another connection and a lock would be gone with the call; use pg_advisory_xact_lock() in pool.transaction(work), or pool.use(work) to hold a lock over several transactions`,
    )
  }
}
