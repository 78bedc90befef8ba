import type { RowShape } from '../frames/row-shape.js'

/**
 * What a session knows of one prepared statement:
 *
 *     absent ──Parse──► parsing ──ParseComplete──► known ──► old ──Close, Parse──► parsing
 *        ▲                 │
 *        └──────error──────┘
 *
 * - `absent`: nothing of ours is on the server under the name
 * - `parsing`: Parse is on its way
 * - `known`: the server holds it, and it may be used as it is
 * - `old`: the server may still hold it, and it must not be used as it is
 */
export type NamedStatementState = 'absent' | 'parsing' | 'known' | 'old'

/**
 * Stands for every borrower: the statement was parsed when nothing had run in the session since its
 * last reset.
 */
export const ANY_BORROWER = -1

/** One prepared statement of one session. Changed only by `SessionStatements`. */
export class NamedStatement {
  /** Its name on the server. */
  readonly name: string
  /** Its SQL. */
  readonly text: string
  /** Whether the session has named it; false for a name that the caller gave. */
  readonly automatic: boolean
  /** What the session knows of it. */
  state: NamedStatementState = 'absent'
  /** Its columns, if they were described and cannot change while it is known. */
  shape: RowShape | undefined = undefined
  /** When Parse was sent, on the clock of the pool. */
  parsedAt = 0
  /** What the session's statements were counted under when Parse was sent. */
  generation = 0
  /**
   * For which borrower of the session it was parsed, where the session is reset in front of each.
   */
  borrower: number = ANY_BORROWER

  /** Begins absent. */
  constructor(name: string, text: string, automatic: boolean) {
    this.name = name
    this.text = text
    this.automatic = automatic
  }
}
