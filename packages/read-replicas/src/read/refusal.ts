import { ReadIntentError } from '@poolhouse/core'
import {
  type Condition,
  hasCondition,
  isRaisedByFunction,
  refusesWrites,
} from '@poolhouse/core/kit'
import { isStandbyRefusal } from '../base/read-failure.js'

/** Why a replica refused a statement, of which it has executed nothing. */
export type Refusal = 'write' | 'standby' | 'behind'

// A table, column, function, type or schema is missing: the replica may not have replayed its
// creation yet.
const BEHIND: readonly Condition[] = [
  'undefined_table',
  'undefined_column',
  'undefined_function',
  'undefined_object',
  'invalid_schema_name',
]

/**
 * Why the primary may succeed where the replica failed. Undefined if the error is the answer to the
 * statement.
 */
export function refusalOf(error: unknown): Refusal | undefined {
  const cause = causeOf(error)
  if (refusesWrites(cause)) return 'write'
  if (isStandbyRefusal(cause)) return 'standby'
  // An error that a function raises says nothing about what the replica lacks, and part of the
  // statement may have run.
  return hasCondition(cause, ...BEHIND) && !isRaisedByFunction(cause) ? 'behind' : undefined
}

/**
 * The server's error inside a `ReadIntentError`, which is only for declared reads; else the error
 * itself.
 */
export function causeOf(error: unknown): unknown {
  return error instanceof ReadIntentError && error.cause !== undefined ? error.cause : error
}
