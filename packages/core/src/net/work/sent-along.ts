import type { Statement } from '../../api/statement.js'
import type { WireValue } from '../../types/encode-values.js'
import type { PairOutcome } from './pair-outcome.js'
import { StatementWork } from './statement-work.js'
import type { WireHost } from './wire-work.js'

/** The first of a pair, which its piggybacked statement follows in one piece. */
export class PiggybackWork extends StatementWork {
  readonly #outcome: PairOutcome

  /** `outcome` settles the caller. */
  constructor(
    host: WireHost,
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
 * sent anew behind them: it takes no name, with which that might become necessary.
 */
export class LoneWork extends StatementWork {
  override messages(): Buffer {
    return this.extended ? this.extendedMessages('sync', 0, true) : super.messages()
  }

  override wantsRepeat(): boolean {
    this.noteRefusal()
    return false
  }
}
