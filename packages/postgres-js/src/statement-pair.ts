import type { QueryResult, SentBehind, Statement } from '@poolhouse/core'
import { type Done, rethrowLater } from '@poolhouse/core/net'
import type { WorkHost } from './session-work.js'
import { type FindName, StatementWork } from './statement-work.js'

type Values = readonly (string | null)[] | undefined

/** What a pair needs to begin. */
interface PairParts {
  readonly statement: Statement
  readonly values: Values
  readonly behind: SentBehind
  /** The values of the companion, as they are sent. */
  readonly behindValues: Values
}

/**
 * A statement and its companion, sent in one piece: two series of messages, each with a Sync of its own. The server owes two answers, and the
 * caller of the first gets his when both have come, because the session is busy until then. `again` runs the statement alone if it has to be
 * prepared anew, which must wait for the second answer.
 */
export class StatementPair {
  /** Goes first, and takes the other one along. */
  readonly first: StatementWork
  /** To be queued right behind it. */
  readonly second: StatementWork
  #error: Error | null = null
  #result: QueryResult<unknown> | undefined

  /** Sends nothing yet. */
  constructor(
    host: WorkHost,
    { statement, values, behind, behindValues }: PairParts,
    findName: FindName | undefined,
    again: () => void,
    done: Done,
  ) {
    const first = new Leading(host, statement, values, findName, (error, result) => {
      this.#error = error
      this.#result = result
    })
    const second = new StatementWork(
      host,
      behind.statement,
      behindValues,
      findName,
      (error, result) => {
        if (first.wantsMore) again()
        else if (this.#error === null) {
          tell(behind, error === null ? result : undefined)
          done(null, this.#result)
        } else done(this.#error)
      },
    )
    first.companion = second
    this.first = first
    this.second = second
  }
}

/** Whatever it does with that, the caller of the other one gets his result. */
function tell(behind: SentBehind, result: QueryResult<unknown> | undefined): void {
  try {
    behind.answered(result)
  } catch (error) {
    rethrowLater(error)
  }
}

/** Takes its companion along. */
class Leading extends StatementWork {
  /** Whether it has to be sent anew. */
  wantsMore = false

  /** Never at once: the answer of the companion comes first. */
  override wantsRepeat(idle: boolean): boolean {
    this.wantsMore = super.wantsRepeat(idle)
    return false
  }

  override settle(): void {
    if (!this.wantsMore) super.settle()
  }
}
