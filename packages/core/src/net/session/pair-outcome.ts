import type { QueryResult, SentBehind } from '../../api/statement.js'
import { rethrowLater } from '../../base/rethrow-later.js'
import type { Done } from './socket-connection.js'

/** How the caller of a statement with a companion is settled. */
export interface PairCaller {
  /** Hears what the companion came to. */
  readonly behind: SentBehind
  /** Whether the first one has to be prepared anew and sent alone. Asked when both are over. */
  readonly wantsMore: () => boolean
  /** Sends the first one alone; that settles the caller. */
  readonly again: () => void
  /** Settles the caller. */
  readonly done: Done
}

/**
 * What a statement and its companion, sent in one piece, came to. The server owes two answers, and
 * the caller of the first gets his when both have come, because the session is busy until then. A
 * driver gives `first` and `second` to the two in the place of a `done`.
 */
export class PairOutcome {
  readonly #caller: PairCaller
  #error: Error | null = null
  #result: QueryResult<unknown> | undefined

  /** Settles this caller, once. */
  constructor(caller: PairCaller) {
    this.#caller = caller
  }

  /** The first one is over. */
  readonly first: Done = (error, result) => {
    this.#error = error
    this.#result = result
  }

  /** The companion is over as well, which is always later. */
  readonly second: Done = (error, result) => {
    const { behind, wantsMore, again, done } = this.#caller
    if (wantsMore()) again()
    else if (this.#error !== null) done(this.#error)
    else {
      try {
        behind.answered(error === null ? result : undefined)
      } catch (thrown) {
        // Whatever is done with that, the caller of the first one gets his result.
        rethrowLater(thrown)
      }
      done(null, this.#result)
    }
  }
}
