import type { Statement } from '../api/statement.js'

/**
 * Key that marks a statement of ours whose text looks as if it changed the session, and which
 * leaves nothing behind. A registered symbol, because drivers may have another copy of this file.
 */
export const LEAVES_NOTHING: unique symbol = Symbol.for('poolhouse.leavesNothing') as never

/** Whether the session is after this statement as it was before, whatever its text looks like. */
export function leavesNothing(statement: Statement): boolean {
  return (statement as { readonly [LEAVES_NOTHING]?: true })[LEAVES_NOTHING] === true
}
