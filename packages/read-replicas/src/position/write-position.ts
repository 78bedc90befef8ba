import type { QueryResult, Statement } from '@poolhouse/core'
import { PIGGYBACK, type Piggyback, type WithPiggyback } from '@poolhouse/core/kit'
import { type Position, positionOf } from './position.js'
import { readSample, type SampleRow, WRITE_POSITION_STATEMENT } from './sample-statement.js'

/** The position behind one write, asked in one piece with it where the driver can. */
export class WritePosition implements Piggyback {
  readonly statement: Statement = WRITE_POSITION_STATEMENT
  /** What the server said; undefined if it was not asked, or did not say. */
  position: Position | undefined
  readonly #sentAt: number
  readonly #refused: () => void

  /**
   * `sentAt` is a time before the write is sent. `refused` is called when the server does not
   * answer the question.
   */
  constructor(sentAt: number, refused: () => void) {
    this.#sentAt = sentAt
    this.#refused = refused
  }

  /** The write with the question behind it. */
  behind({ text, values, name, rowMode }: Statement): Statement & WithPiggyback {
    return { text, values, name, rowMode, [PIGGYBACK]: this }
  }

  answered(result: QueryResult<SampleRow> | undefined): void {
    try {
      this.position = result && positionOf(readSample(result), this.#sentAt)
    } catch {
      // An answer that cannot be read is none.
    }
    if (this.position === undefined) this.#refused()
  }
}
