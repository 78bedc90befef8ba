import { ReadIntentError } from '@poolhouse/core'
import {
  type Condition,
  hasCondition,
  isRaisedByFunction,
  refusesWrites,
} from '@poolhouse/core/kit'
import { isStandbyRefusal } from '../base/read-failure.js'

/** What a replica did not do. Nothing of the statement has been executed. */
export type Refusal = 'write' | 'standby' | 'behind'

// A table, column, function, type or schema that is not there yet: the replica may not have
// replayed its creation.
const BEHIND: readonly Condition[] = [
  'undefined_table',
  'undefined_column',
  'undefined_function',
  'undefined_object',
  'invalid_schema_name',
]

/**
 * Whether the error says that another server may do better: the primary. Undefined if it is simply
 * the answer.
 */
export function refusalOf(error: unknown): Refusal | undefined {
  const cause = causeOf(error)
  if (refusesWrites(cause)) return 'write'
  if (isStandbyRefusal(cause)) return 'standby'
  // What a function raises says nothing about what the replica has, and something may have run
  // before it.
  return hasCondition(cause, ...BEHIND) && !isRaisedByFunction(cause) ? 'behind' : undefined
}

/** The error of the server, where it was changed into one about declared reads. */
export function causeOf(error: unknown): unknown {
  return error instanceof ReadIntentError && error.cause !== undefined ? error.cause : error
}
