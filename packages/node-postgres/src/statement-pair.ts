import type { Statement } from '@poolhouse/core'
import type { SentBehind } from '@poolhouse/core/kit'
import { type Done, PairOutcome } from '@poolhouse/core/net'
import type { PgWire } from './pg-module.js'
import { PgStatement } from './pg-statement.js'
import type { WorkHost } from './session-work.js'

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
  /** Goes first. */
  readonly first: PgStatement
  /** Goes with it. To be queued right behind it. */
  readonly second: PgStatement

  /** Sends nothing yet. */
  constructor(host: WorkHost, parts: PairParts, again: () => void, done: Done) {
    const { statement, values, behind, behindValues } = parts
    // The server may have been asked to cancel while it was at work on the second one.
    const wantsMore = (): boolean => first.wantsMore && host.prepared.mayRepeat
    const outcome = new PairOutcome({ behind, wantsMore, again, done })
    const second = new Companion(host, behind.statement, behindValues, outcome.second)
    const first = new Leading(host, statement, values, second, outcome.first)
    this.first = first
    this.second = second
  }
}

/** Takes its companion along. */
class Leading extends PgStatement {
  /** Whether it has to be sent anew. */
  wantsMore = false
  readonly #companion: Companion

  constructor(
    host: WorkHost,
    statement: Statement,
    values: Values,
    companion: Companion,
    done: Done,
  ) {
    super(host, statement, values, done)
    this.#companion = companion
  }

  /** Never at once: the answer of the companion comes first. */
  override wantsRepeat(idle: boolean): boolean {
    this.wantsMore = super.wantsRepeat(idle)
    return false
  }

  protected override start(wire: PgWire): void {
    super.start(wire)
    this.#companion.sendAhead(wire)
  }
}

/** Is sent before it is its turn; if it could not be, when it is. */
class Companion extends PgStatement {
  #ahead = false

  /** Sends it behind what is being sent. */
  sendAhead(wire: PgWire): void {
    this.#ahead = super.submit(wire) === null && this.sent
  }

  override submit(wire: PgWire): Error | null {
    if (!this.#ahead) return super.submit(wire)
    this.#ahead = false
    return null
  }
}
