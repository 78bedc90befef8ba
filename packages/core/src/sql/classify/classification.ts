/** The part of a statement that decided. */
export interface DecidingToken {
  /** Its text, as written; cut if it is long. */
  readonly text: string
  /** Offset of its first character, from 0. */
  readonly position: number
}

/** What the text of a statement says about it. */
export interface Classification {
  /**
   * `read`: it only reads, as far as a text can say. `unknown`: it reads, but calls unknown
   * functions or operators. `write`: it writes, may write, or makes sense only on the primary.
   */
  readonly verdict: 'read' | 'unknown' | 'write'
  /** Why, as a clause for humans. */
  readonly reason: string
  /**
   * Whether it would succeed on a replica and still be wrong there: advisory locks, session
   * settings, snapshots, cursors and the like. Default no.
   */
  readonly hazard?: boolean
  /** The part of the text that decided, if there is one. */
  readonly token?: DecidingToken
}
