import { own } from '../base/own.js'
import { hasCondition } from '../outcome/conditions.js'
import { refusesAsStandby, refusesSerializable } from '../outcome/error-meaning.js'

// In the simple protocol all statements of one message are one transaction: what is set here is
// over with it, and leaves nothing for the next borrower of a pooler's session. A standby takes
// `SET` before it looks at the isolation level, which it refuses with the first snapshot.
const OWN_SETTINGS =
  'set transaction isolation level read committed; set local statement_timeout to 0; set local lock_timeout to 0; '

/**
 * The text with settings of its own in front, in one message: without values, and never under a
 * name.
 */
function withOwnSettings(text: string): string {
  return OWN_SETTINGS + text
}

/**
 * Whether a statement of ours may have failed for what its role or database is set to:
 * `default_transaction_isolation = serializable`, which a standby refuses, or time limits that are
 * meant for other statements.
 */
function mindsSettings(error: unknown): boolean {
  return refusesAsStandby(error) || hasCondition(error, 'query_canceled', 'lock_not_available')
}

/**
 * Asks a server a question of ours, whatever the role and the database are set to. The first
 * refusal that may come of that costs a round trip; from then on each question brings settings of
 * its own along.
 */
export class OwnQuestion {
  #needed = false
  /** Whether a standby refused one for being SERIALIZABLE, and answered it as READ COMMITTED. */
  readonly serializable: boolean = false

  /** Asks with `run`, once or twice. Rejects as `run` does. */
  async ask<R>(text: string, run: (text: string) => Promise<R>): Promise<R> {
    if (this.#needed) return await run(withOwnSettings(text))
    try {
      return await run(text)
    } catch (error) {
      if (!mindsSettings(error)) throw error
      const answer = await run(withOwnSettings(text))
      this.#needed = true
      own<OwnQuestion>(this).serializable = refusesSerializable(error)
      return answer
    }
  }
}
