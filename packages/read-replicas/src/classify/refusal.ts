import { DatabaseError, ReadIntentError } from '@poolhouse/core'

/** What a replica did not do. Nothing of the statement has been executed. */
export type Refusal = 'write' | 'perhaps' | 'behind'

// 25006: it would have written. The others may have reasons that hold on the primary too, which then says so itself.
const WRITE = '25006'
// 0A000: a hot standby cannot (serializable, read write). 55000: "recovery is in progress". XX000: large objects before 16.
const PERHAPS: ReadonlySet<string> = new Set(['0A000', '55000', 'XX000'])
// A table, column, function, type or schema that is not there yet: the replica may not have replayed its creation.
const BEHIND: ReadonlySet<string> = new Set(['42P01', '42703', '42883', '42704', '3F000'])

/** Whether the error says that another server may do better: the primary. Undefined if it is simply the answer. */
export function refusalOf(error: unknown): Refusal | undefined {
  const cause = causeOf(error)
  if (!(cause instanceof DatabaseError) || cause.severity !== 'ERROR') return undefined
  if (cause.code === WRITE) return 'write'
  if (PERHAPS.has(cause.code)) return 'perhaps'
  return BEHIND.has(cause.code) ? 'behind' : undefined
}

/** The error of the server, where it was changed into one about declared reads. */
export function causeOf(error: unknown): unknown {
  return error instanceof ReadIntentError && error.cause !== undefined ? error.cause : error
}
