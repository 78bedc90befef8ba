import type { QueryResult, Statement } from '@poolhouse/core'
import {
  FOR_DRIVER,
  PIGGYBACK,
  type Piggyback,
  type WithForDriver,
  type WithPiggyback,
} from '@poolhouse/core/kit'
import { type Position, positionOf } from './position.js'
import { readSample, type SampleRow, WRITE_POSITION_STATEMENT } from './sample-statement.js'

/** The question for the position of one write, piggybacked on it if the driver can. */
export class WritePosition implements Piggyback {
  readonly statement: Statement = WRITE_POSITION_STATEMENT
  /** The answer; undefined if the server was not asked or did not say. */
  position: Position | undefined
  readonly #sentAt: number
  readonly #refused: () => void

  /**
   * `sentAt` is a time before the write is sent. `refused` is called if the server does not answer
   * the question.
   */
  constructor(sentAt: number, refused: () => void) {
    this.#sentAt = sentAt
    this.#refused = refused
  }

  /** The write, with the question after it. */
  sentWith(write: Statement & WithForDriver): Statement & WithForDriver & WithPiggyback {
    const { text, values, name, rowMode, undecoded } = write
    const told = write[FOR_DRIVER]
    if (told === undefined) return { text, values, name, rowMode, undecoded, [PIGGYBACK]: this }
    return { text, values, name, rowMode, undecoded, [PIGGYBACK]: this, [FOR_DRIVER]: told }
  }

  answered(result: QueryResult<SampleRow> | undefined): void {
    try {
      this.position = result && positionOf(readSample(result), this.#sentAt)
    } catch {
      // An unreadable answer counts as none.
    }
    if (this.position === undefined) this.#refused()
  }
}
