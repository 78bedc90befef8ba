import type { Statement } from '@poolhouse/core'
import type { SentBehind } from '@poolhouse/core/kit'
import { type Done, PairOutcome } from '@poolhouse/core/net'
import type { WorkHost } from './session-work.js'
import { StatementWork } from './statement-work.js'

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
 * A statement and its companion, sent in one piece: two series of messages, each with a Sync of its
 * own. `again` runs the statement alone if it has to be prepared anew, which must wait for the
 * second answer.
 */
export class StatementPair {
  /** Goes first, and takes the other one along. */
  readonly first: StatementWork
  /** To be queued right behind it. */
  readonly second: StatementWork

  /** Sends nothing yet. */
  constructor(
    host: WorkHost,
    { statement, values, behind, behindValues }: PairParts,
    again: () => void,
    done: Done,
  ) {
    // The server may have been asked to cancel while it was at work on the second one.
    const wantsMore = (): boolean => first.wantsMore && host.prepared.mayRepeat
    const outcome = new PairOutcome({ behind, wantsMore, again, done })
    const first = new Leading(host, statement, values, outcome.first)
    this.first = first
    this.second = new StatementWork(host, behind.statement, behindValues, outcome.second)
    first.companion = this.second
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
}
