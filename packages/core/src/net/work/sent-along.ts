import type { SentStatement } from '../../api/driver.js'
import type { Statement } from '../../api/statement.js'
import type { WireValue } from '../../types/encode-values.js'
import type { PairOutcome } from './pair-outcome.js'
import type { WorkHost } from './session-work.js'
import { StatementWork } from './statement-work.js'

/** The first of a pair, which its piggybacked statement follows in one piece. */
export class PiggybackWork extends StatementWork {
  readonly #outcome: PairOutcome

  /** `outcome` settles the caller. */
  constructor(
    host: WorkHost,
    statement: Statement,
    values: readonly WireValue[] | undefined,
    outcome: PairOutcome,
  ) {
    super(host, statement, values, outcome.first)
    this.#outcome = outcome
  }

  /** Never sent anew right away: the answer to the piggybacked one comes first. */
  override wantsRepeat(idle: boolean): boolean {
    this.#outcome.wantsRepeat = this.mayBeRepeated(idle)
    return false
  }
}

/**
 * One of several statements that are sent in one piece. Others follow it, so that it could only be
 * sent anew behind them: it takes no automatic name, with which that might become
 * necessary.
 */
export class LoneWork extends StatementWork {
  readonly #isBehindChange: boolean

  /**
   * `isBehindChange` says that what is sent before it may change what a name stands for: then it
   * runs without one.
   */
  constructor(
    host: WorkHost,
    { statement, done }: SentStatement,
    values: readonly WireValue[] | undefined,
    isBehindChange: boolean,
  ) {
    super(host, statement, values, done)
    this.#isBehindChange = isBehindChange
  }

  override messages(): Buffer {
    if (!this.extended) return super.messages()
    return this.extendedMessages('sync', 0, this.#isBehindChange ? 'any' : 'automatic')
  }

  override wantsRepeat(): boolean {
    this.noteRefusal()
    return false
  }
}
