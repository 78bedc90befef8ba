import type { QueryResult, SentBehind, Statement } from '../../api/statement.js'
import { rethrowLater } from '../../base/rethrow-later.js'
import type { Done } from './socket-connection.js'

/** A statement and its companion, with their values in wire form. */
export interface PairParts {
  readonly statement: Statement
  readonly values: readonly (string | null)[] | undefined
  readonly behind: SentBehind
  /** The values of the companion. */
  readonly behindValues: readonly (string | null)[] | undefined
}

/** How the caller of a statement with a companion is settled. */
export interface PairCaller {
  /** Hears the answer of the companion. */
  readonly behind: SentBehind
  /** The prepared statements of the session, which say whether the first one may be sent again. */
  readonly prepared: { readonly mayRepeat: boolean }
  /** Sends the first one again, alone; that settles the caller. */
  readonly again: () => void
  /** Settles the caller. */
  readonly done: Done
}

/**
 * Settles the caller of a statement that was sent in one piece with a companion. The server owes
 * two answers. The caller gets its result after both, because the session is busy until then. A
 * driver gives `first` and `second` to the two statements in the place of a `done`.
 */
export class PairOutcome {
  /** Whether the first statement has to be prepared anew. Set before its answer is settled. */
  wantsRepeat = false
  readonly #caller: PairCaller
  #error: Error | null = null
  #result: QueryResult<unknown> | undefined

  /** Settles this caller, once. */
  constructor(caller: PairCaller) {
    this.#caller = caller
  }

  /** Takes the outcome of the first statement. */
  readonly first: Done = (error, result) => {
    this.#error = error
    this.#result = result
  }

  /** Takes the outcome of the companion, which always comes second, and settles the caller. */
  readonly second: Done = (error, result) => {
    const { behind, prepared, again, done } = this.#caller
    // Not again if a cancel was asked for while the companion ran.
    if (this.wantsRepeat && prepared.mayRepeat) again()
    else if (this.#error !== null) done(this.#error)
    else {
      try {
        behind.answered(error === null ? result : undefined)
      } catch (thrown) {
        // A failing listener must not cost the caller its result.
        rethrowLater(thrown)
      }
      done(null, this.#result)
    }
  }
}
