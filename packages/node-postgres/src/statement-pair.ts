import type { Statement } from '@poolhouse/core'
import { type Done, PairOutcome, type PairParts } from '@poolhouse/core/net'
import type { WireValue } from '@poolhouse/core/types'
import type { PgWire } from './pg-module.js'
import { PgStatement } from './pg-statement.js'
import type { WorkHost } from './session-work.js'

/**
 * Makes a statement and its piggybacked one, which are sent in one piece: two series of messages,
 * each with its own Sync. The second one must be queued right behind the first. `again` sends the
 * first statement alone, if it has to be prepared anew.
 */
export function statementPair(
  host: WorkHost,
  parts: PairParts<WireValue>,
  again: () => void,
  done: Done,
): { first: PgStatement; second: PgStatement } {
  const { statement, values, piggyback, piggybackValues } = parts
  const outcome = new PairOutcome({ piggyback, prepared: host.prepared, again, done })
  const second = new PiggybackedStatement(
    host,
    piggyback.statement,
    piggybackValues,
    outcome.second,
  )
  return { first: new Leading(host, statement, values, second, outcome), second }
}

/** The first of a pair, which sends the second one along. */
class Leading extends PgStatement {
  readonly #piggybacked: PiggybackedStatement
  readonly #outcome: PairOutcome

  constructor(
    host: WorkHost,
    statement: Statement,
    values: readonly WireValue[] | undefined,
    piggybacked: PiggybackedStatement,
    outcome: PairOutcome,
  ) {
    super(host, statement, values, outcome.first)
    this.#piggybacked = piggybacked
    this.#outcome = outcome
  }

  /** Never settled right away: the piggybacked answer comes first. */
  override wantsRepeat(idle: boolean): boolean {
    this.#outcome.wantsRepeat = super.wantsRepeat(idle)
    return false
  }

  protected override start(wire: PgWire): void {
    super.start(wire)
    this.#piggybacked.sendAhead(wire)
  }
}

/** The second of a pair: sent with the first one, or, where that fails, when it is its turn. */
class PiggybackedStatement extends PgStatement {
  #isSentAhead = false

  /** Sends it right behind the first one. */
  sendAhead(wire: PgWire): void {
    this.#isSentAhead = super.submit(wire) === null && this.sent
  }

  override submit(wire: PgWire): Error | null {
    if (!this.#isSentAhead) return super.submit(wire)
    this.#isSentAhead = false
    return null
  }
}
