import type { CopyResult } from '../../api/driver.js'
import { PoolhouseError } from '../../outcome/poolhouse-error.js'
import { commandOf, countOf } from '../frames/command-tag.js'

/** How the caller of `copyIn` or `copyOut` learns that the COPY has begun, or why it has not. */
export interface CopyOpening<Copy> {
  /** It has begun. */
  readonly resolve: (copy: Copy) => void
  /** It has not, and ReadyForQuery has come or the session is over. */
  readonly reject: (error: Error) => void
}

/** A COPY that hears of its end, if it has begun. */
export interface RunningCopy {
  /** ReadyForQuery has come; `error` is what the server said against it. */
  ended(error: Error | undefined, result: CopyResult): void
  /** The session was lost. */
  lost(error: Error): void
}

/**
 * What the server answers to the text of a COPY in the simple protocol, in the middle of which it
 * says that it takes or gives data now. Rows of other commands in the text are passed over.
 */
export class CopyAnswer<Copy extends RunningCopy> {
  readonly #expected: string
  readonly #copy: Copy
  /** Taken away when the COPY begins. */
  #opening: CopyOpening<Copy> | undefined
  #result: CopyResult = { rowCount: null, command: 'COPY' }
  #otherWay = false

  /**
   * `expected` is the command this is for, `COPY … FROM STDIN`; `opening` is told once whether it
   * has begun.
   */
  constructor(expected: string, copy: Copy, opening: CopyOpening<Copy>) {
    this.#expected = expected
    this.#copy = copy
    this.#opening = opening
  }

  /** Data may flow: tells the caller that the COPY has begun. False if it had begun before. */
  begin(): boolean {
    const opening = this.#opening
    this.#opening = undefined
    opening?.resolve(this.#copy)
    return opening !== undefined
  }

  /**
   * The server asks for the data of a COPY that the caller cannot feed. Gives the reason for
   * CopyFail.
   */
  refuseData(): string {
    this.#otherWay = this.#opening !== undefined
    return `only one command in the text may be a COPY, and it must be ${this.#expected}`
  }

  /** A command of the text is through. */
  completed(tag: string): void {
    const command = commandOf(tag)
    if (command === 'COPY') this.#result = { rowCount: countOf(tag), command }
  }

  /** ReadyForQuery has come; `error` is what the server said against the text. */
  settle(error: Error | undefined): void {
    if (this.#opening === undefined) this.#copy.ended(error, this.#result)
    else if (error === undefined) this.#refuseText(this.#opening, 'yes', undefined)
    else if (this.#otherWay) this.#refuseText(this.#opening, 'rolled-back', error)
    else this.#opening.reject(error)
  }

  /** The session ended first, or nothing was sent. */
  lose(error: Error): void {
    if (this.#opening === undefined) this.#copy.lost(error)
    else this.#opening.reject(error)
  }

  #refuseText(
    opening: CopyOpening<Copy>,
    executed: 'yes' | 'rolled-back',
    cause: Error | undefined,
  ): void {
    opening.reject(
      new PoolhouseError(
        `the statement is not ${this.#expected}` +
          (executed === 'yes' ? ' and was executed as what it is; run it with query' : ''),
        { executed, cause },
      ),
    )
  }
}
