import type { Statement } from '@poolhouse/core'
import { type Done, PairOutcome, type PairParts } from '@poolhouse/core/net'
import type { WorkHost } from './session-work.js'
import { StatementWork } from './statement-work.js'

/**
 * Makes a statement and its piggybacked one, which are sent in one piece: two series of messages,
 * each with its own Sync. The second one must be queued right behind the first. `again` sends the
 * first statement alone, if it has to be prepared anew.
 */
export function statementPair(
  host: WorkHost,
  parts: PairParts,
  again: () => void,
  done: Done,
): { first: StatementWork; second: StatementWork } {
  const { statement, values, piggyback, piggybackValues } = parts
  const outcome = new PairOutcome({ piggyback, prepared: host.prepared, again, done })
  const first = new Leading(host, statement, values, outcome)
  const second = new StatementWork(host, piggyback.statement, piggybackValues, outcome.second)
  first.piggybacked = second
  return { first, second }
}

/** The first of a pair. */
class Leading extends StatementWork {
  readonly #outcome: PairOutcome

  constructor(
    host: WorkHost,
    statement: Statement,
    values: readonly (string | null)[] | undefined,
    outcome: PairOutcome,
  ) {
    super(host, statement, values, outcome.first)
    this.#outcome = outcome
  }

  /** Never settled right away: the piggybacked answer comes first. */
  override wantsRepeat(idle: boolean): boolean {
    this.#outcome.wantsRepeat = super.wantsRepeat(idle)
    return false
  }
}
