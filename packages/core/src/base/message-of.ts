const MARK = '; see POOLHOUSE_'
const MARKS = /; see POOLHOUSE_[A-Z_]+/g

/**
 * The message of something that was thrown; its text if it is no `Error`. Without the code at the
 * end of ours, because it goes into other texts.
 */
export function messageOf(thrown: unknown): string {
  return withoutCodes(thrown instanceof Error ? thrown.message : String(thrown))
}

/**
 * The message of an error of this code, which ends with the code to search for. An error that it
 * quotes loses its own. A SQLSTATE is not added: such a message is PostgreSQL's.
 */
export function endWithCode(message: string, code: string): string {
  return code.startsWith('POOLHOUSE_') ? `${withoutCodes(message)}; see ${code}` : message
}

function withoutCodes(message: string): string {
  return message.includes(MARK) ? message.replaceAll(MARKS, '') : message
}
