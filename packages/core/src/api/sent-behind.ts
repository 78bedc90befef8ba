import type { QueryResult, Statement } from './statement.js'

/**
 * Key of a statement's companion: see `SentBehind`. A symbol, because statement objects come from
 * anywhere and none may have one by chance. For pools that are built on pools; a driver that does
 * not know it sends the statement alone.
 */
export const SENT_BEHIND: unique symbol = Symbol('poolhouse.sentBehind')

/**
 * A second statement that goes out with another one in one piece, so that its answer costs no round
 * trip. It runs in the same session once the other one is through, outside its transaction, and
 * whatever becomes of it changes nothing about the other one.
 */
export interface SentBehind {
  /** What to send. */
  readonly statement: Statement
  /**
   * Called just before the caller of the other statement has its result, with what this one
   * returned, or with undefined if it failed. Not called when the other one failed, nor by a driver
   * that has sent that alone.
   */
  answered(result: QueryResult<unknown> | undefined): void
}

/** A statement with a companion. */
export interface WithCompanion {
  /** What goes out behind it. */
  readonly [SENT_BEHIND]?: SentBehind | undefined
}

/** The companion of a statement, if it has one. */
export function sentBehind(statement: Statement): SentBehind | undefined {
  return (statement as WithCompanion)[SENT_BEHIND]
}
