import type { Piggyback, QueryResult } from '../../api/statement.js'
import { rethrowLater } from '../../base/rethrow-later.js'
import type { Done } from './done.js'

/** How the caller of a statement with a piggybacked one is settled. */
export interface PairCaller {
  /** Is told the result of the piggybacked statement. */
  readonly piggyback: Piggyback
  /** The prepared statements of the session, which say whether the first one may be sent again. */
  readonly prepared: {
    /** Whether the first statement may be sent again. */
    readonly mayRepeat: boolean
  }
  /** Sends the first one again, alone; that settles the caller. */
  readonly again: () => void
  /** Settles the caller. */
  readonly done: Done
}

/**
 * Settles the caller of a statement that was sent in one piece with a piggybacked one. The server
 * owes two answers. The caller gets its result after both, because the session is busy until then.
 * `first` and `second` are given to the two statements in place of a `done`.
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

  /**
   * Takes the outcome of the piggybacked statement, which always comes second, and settles the
   * caller.
   */
  readonly second: Done = (error, result) => {
    const { piggyback, prepared, again, done } = this.#caller
    // Not again if a cancel was requested while the second statement ran.
    if (this.wantsRepeat && prepared.mayRepeat) again()
    else if (this.#error !== null) done(this.#error)
    else {
      try {
        piggyback.answered(error === null ? result : undefined)
      } catch (thrown) {
        // A failing listener must not cost the caller its result.
        rethrowLater(thrown)
      }
      done(null, this.#result)
    }
  }
}
