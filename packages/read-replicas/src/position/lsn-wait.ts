import type { ConnectionPool, Session } from '@poolhouse/core'
import { type Condition, hasCondition, lsnText } from '@poolhouse/core/kit'
import type { Background } from '../base/background.js'

/**
 * The outcome of `WAIT FOR LSN`: `reached`; `timeout`; `promoted`, so that the server replays
 * nothing any more; `impossible`, because it does not know the statement or did not answer.
 */
export type LsnWaitResult = 'reached' | 'timeout' | 'promoted' | 'impossible'

// PostgreSQL 19 introduced WAIT FOR.
const FIRST_VERSION = 19
const CONNECT_MS = 1_000
// Added to the time that the server waits.
const ANSWER_MS = 500
// The statement is unknown, unsupported or not allowed, or has an unknown option. Other errors say
// nothing about the next wait.
const REFUSALS: readonly Condition[] = [
  'syntax_error',
  'feature_not_supported',
  'insufficient_privilege',
  'invalid_parameter_value',
]
const STATUSES: ReadonlyMap<unknown, LsnWaitResult> = new Map([
  ['success', 'reached'],
  ['timeout', 'timeout'],
  ['not in recovery', 'promoted'],
])

/** Whether a server of this version knows `WAIT FOR LSN`: `19.1`, `19beta2`, `20devel`. */
export function knowsLsnWait(serverVersion: string | undefined): boolean {
  return Number.parseInt(serverVersion ?? '', 10) >= FIRST_VERSION
}

/**
 * Lets one standby report that it has replayed to a position. Uses a session of its own, which
 * cannot do anything else meanwhile.
 */
export class LsnWait {
  readonly #pool: ConnectionPool
  readonly #background: Background
  #session: Session | undefined
  // Whether the server has refused the statement, whatever its version says.
  #refused = false

  /** Opens no session before the first wait. */
  constructor(pool: ConnectionPool, background: Background) {
    this.#pool = pool
    this.#background = background
  }

  /** Whether the server has refused the statement. */
  get refused(): boolean {
    return this.#refused
  }

  /**
   * Waits until the standby has replayed to `lsn`, for at most `waitMs`. The result says nothing
   * about the timeline: a server on another one may reach the position too. Never rejects.
   */
  async until(lsn: bigint, waitMs: number): Promise<LsnWaitResult> {
    try {
      const session = await this.#open()
      const timeoutMs = Math.max(1, Math.round(waitMs))
      // A timeout of 0 would mean no timeout.
      const text = `WAIT FOR LSN '${lsnText(lsn)}' WITH (MODE 'standby_replay', TIMEOUT '${timeoutMs}ms', NO_THROW)`
      const { rows } = await session.query<{ status?: unknown }>(text, undefined, {
        timeoutMs: timeoutMs + ANSWER_MS,
      })
      return STATUSES.get(rows[0]?.status) ?? 'impossible'
    } catch (error) {
      // A fork of PostgreSQL, or a service that has removed the statement.
      if (hasCondition(error, ...REFUSALS)) this.#refused = true
      this.stop()
      return 'impossible'
    }
  }

  /** Closes the session. */
  stop(): void {
    const session = this.#session
    this.#session = undefined
    session?.destroy('no read waits any more')
  }

  async #open(): Promise<Session> {
    if (this.#session !== undefined && !this.#session.closed) return this.#session
    const { stopped } = this.#background
    const session = await this.#pool.openSession({ timeoutMs: CONNECT_MS, signal: stopped })
    if (stopped.aborted) {
      session.destroy('no read waits any more')
      throw new Error('no read waits any more')
    }
    this.#session = session
    return session
  }
}
