import { guardWord } from './guard-words.js'
import { type Backslashes, TOKEN } from './sql-lexer.js'
import { SqlStatements } from './sql-statements.js'
import { scan } from './statement-traits.js'
import { CONTROLS_TRANSACTION } from './trait-flags.js'

/**
 * Whether the text may have committed a part of its work before another part failed: procedures and
 * DO blocks may COMMIT, and so may one of several statements. EXECUTE cannot, even of a CALL that
 * the driver has prepared: COMMIT fails there with 2D000, as tried on PostgreSQL 14 and 18. Asked
 * only about what has failed, so nothing is kept, and every reading of the text counts.
 */
export function commitsMidway(text: string): boolean {
  return (
    mayCommitMidway(text, 'literal') || (text.includes('\\') && mayCommitMidway(text, 'escape'))
  )
}

/** Whether the text runs a procedure or a DO block. */
export function runsCode(text: string): boolean {
  const statements = new SqlStatements(text)
  for (let kind = statements.next(); kind !== TOKEN.end; kind = statements.next()) {
    if (statements.isFirst && RUNS_CODE.has(statements.word)) return true
  }
  return false
}

const RUNS_CODE: ReadonlySet<number> = new Set(['do', 'call'].map(guardWord))

function mayCommitMidway(text: string, backslashes: Backslashes): boolean {
  const statements = new SqlStatements(text, backslashes)
  let count = 0
  for (let kind = statements.next(); kind !== TOKEN.end; kind = statements.next()) {
    if (statements.isFirst) {
      count++
      if (RUNS_CODE.has(statements.word)) return true
    }
  }
  return count > 1 && (scan(text, backslashes) & CONTROLS_TRANSACTION) !== 0
}
