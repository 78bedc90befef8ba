import type { ConnectionPool, Session } from '@poolhouse/core'
import { type Condition, hasCondition, lsnText } from '@poolhouse/core/kit'
import type { Background } from '../base/background.js'

/**
 * What a server made of `WAIT FOR LSN`: it has replayed to there, it has not in the time given, it
 * replays nothing because it was promoted, or it does not know the statement, or gave no answer.
 */
export type LsnWaitResult = 'reached' | 'timeout' | 'promoted' | 'impossible'

// WAIT FOR came with PostgreSQL 19.
const FIRST_VERSION = 19
const CONNECT_MS = 1_000
// Beyond the time that the server waits.
const ANSWER_MS = 500
// Not known, not supported, not allowed, an option it does not know. Anything else says nothing
// about the next time.
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

/** Whether a server that calls itself this knows `WAIT FOR LSN`: `19.1`, `19beta2`, `20devel`. */
export function knowsLsnWait(serverVersion: string | undefined): boolean {
  return Number.parseInt(serverVersion ?? '', 10) >= FIRST_VERSION
}

/**
 * Has one standby tell when it has replayed to a position, over a session of its own: nothing else
 * can be asked on it meanwhile.
 */
export class LsnWait {
  readonly #pool: ConnectionPool
  readonly #background: Background
  #session: Session | undefined
  // Whether the server of this session has refused the statement, whatever its version says.
  #refused = false

  /** Opens nothing before the first wait. */
  constructor(pool: ConnectionPool, background: Background) {
    this.#pool = pool
    this.#background = background
  }

  /** Whether its server has refused to. */
  get refused(): boolean {
    return this.#refused
  }

  /**
   * Waits so long at most. It says nothing about the timeline: a server on another one may reach
   * the position too. Never rejects.
   */
  async until(lsn: bigint, waitMs: number): Promise<LsnWaitResult> {
    try {
      const session = await this.#open()
      const timeoutMs = Math.max(1, Math.round(waitMs))
      // A timeout of 0 would be none.
      const text = `WAIT FOR LSN '${lsnText(lsn)}' WITH (MODE 'standby_replay', TIMEOUT '${timeoutMs}ms', NO_THROW)`
      const { rows } = await session.query<{ status?: unknown }>(text, undefined, {
        timeoutMs: timeoutMs + ANSWER_MS,
      })
      return STATUSES.get(rows[0]?.status) ?? 'impossible'
    } catch (error) {
      // A fork, or a service that has taken the statement away.
      if (hasCondition(error, ...REFUSALS)) this.#refused = true
      this.stop()
      return 'impossible'
    }
  }

  /** Closes its session. */
  stop(): void {
    const session = this.#session
    this.#session = undefined
    session?.destroy('nobody waits any more')
  }

  async #open(): Promise<Session> {
    if (this.#session !== undefined && !this.#session.closed) return this.#session
    const { stopped } = this.#background
    const session = await this.#pool.openSession({ timeoutMs: CONNECT_MS, signal: stopped })
    if (stopped.aborted) {
      session.destroy('nobody waits any more')
      throw new Error('nobody waits any more')
    }
    this.#session = session
    return session
  }
}
