import { type Condition, hasCondition, ReadIntentError, refusesWrites } from '@poolhouse/core'

/** What a replica did not do. Nothing of the statement has been executed. */
export type Refusal = 'write' | 'perhaps' | 'behind'

// May have reasons that hold on the primary too, which then says so itself. On a hot standby: serializable, read write; "recovery is
// in progress"; large objects before 16.
const PERHAPS: readonly Condition[] = [
  'feature_not_supported',
  'object_not_in_prerequisite_state',
  'internal_error',
]
// A table, column, function, type or schema that is not there yet: the replica may not have replayed its creation.
const BEHIND: readonly Condition[] = [
  'undefined_table',
  'undefined_column',
  'undefined_function',
  'undefined_object',
  'invalid_schema_name',
]

/** Whether the error says that another server may do better: the primary. Undefined if it is simply the answer. */
export function refusalOf(error: unknown): Refusal | undefined {
  const cause = causeOf(error)
  if (refusesWrites(cause)) return 'write'
  if (hasCondition(cause, ...PERHAPS)) return 'perhaps'
  return hasCondition(cause, ...BEHIND) ? 'behind' : undefined
}

/** The error of the server, where it was changed into one about declared reads. */
export function causeOf(error: unknown): unknown {
  return error instanceof ReadIntentError && error.cause !== undefined ? error.cause : error
}
