import { splitStatements } from '../protocol/split-statements.js'

/**
 * Whether one statement ends a transaction by committing it: COMMIT in any spelling, END, COMMIT
 * PREPARED.
 */
export function isCommit(statement: string): boolean {
  const code = splitStatements(statement)[0]?.code ?? ''
  return /^\s*(commit|end)\b/i.test(code)
}
