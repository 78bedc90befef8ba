import type { BudgetSeat } from '../api/connection-budget.js'
import type { DriverConnection } from '../api/driver.js'
import type { Lease } from '../api/lease.js'
import type { Statement } from '../api/statement.js'
import type { ServerIdentity } from '../identity/server-identity.js'
import type { OpenWork } from '../stream/open-work.js'

/**
 * The life of one physical connection:
 *
 *     connecting ──► leased ◄──► idle ──► validating ──► leased | idle
 *                      │           │
 *                      ├──► cleaning ──► leased | idle
 *                      ▼           ▼
 *                    closing ──► gone        (gone can follow every state)
 *
 * - `connecting`: being opened; `connection` is not there yet
 * - `idle`: in the idle stack, nobody holds it
 * - `validating`: proving itself alive before its next use
 * - `leased`: exactly one owner
 * - `cleaning`: given back; a running statement is being cancelled, a transaction rolled back or
 *   the session reset
 * - `closing`: being ended politely; still counts against `max`, because the server still holds it
 * - `gone`: no longer counted
 */
export type SlotState =
  | 'connecting'
  | 'idle'
  | 'validating'
  | 'leased'
  | 'cleaning'
  | 'closing'
  | 'gone'

/**
 * One place of the pool for one physical connection. Its state is changed only by `ServerPool` and
 * its parts.
 */
export class Slot {
  /** Counts up within the pool; names the connection in events. */
  readonly id: number
  /** What it is doing. */
  state: SlotState = 'connecting'
  /** The session; undefined while connecting. */
  connection: DriverConnection | undefined = undefined
  /** The server that the session leads to, if it said so when it was opened. */
  server: ServerIdentity | undefined = undefined
  /** Which configuration it was opened under; older ones are replaced. */
  readonly era: number
  /** When the session was ready. */
  bornAt = 0
  /** When it must be retired, jitter included; `Infinity` for never. Drawn once, at birth. */
  expiresAt: number = Number.POSITIVE_INFINITY
  /** When it became idle. */
  idleSince = 0
  /** When it was lent. */
  leasedAt = 0
  /** How often it was lent. */
  uses = 0
  /** Grows with every end of a lease; a lease is valid while its number agrees. */
  generation = 0
  /**
   * Suspicion under which it last proved itself; a lower number than the pool's means it must prove
   * itself again.
   */
  trusted = 0
  /** Whether the session's state may differ from a fresh one. */
  dirty = false
  /** Why the session must end with its lease: something was done to it that no reset undoes. */
  spoiled: string | undefined = undefined
  /**
   * Whether a backslash escapes in its plain strings: it has said that
   * `standard_conforming_strings` is off.
   */
  escapes = false
  /** Whether the session is to be reset in front of what it does next. */
  resetDue = false
  /** Whether the current borrower wants it reset after him, whatever his texts show. */
  resetAfter = false
  /** Text of the last statement, for `inspect()`; never its values. */
  lastStatement: string | undefined = undefined
  /** Where the current lease was acquired, if sampled; the text is made when it is read. */
  acquireStack: { readonly stack?: string } | undefined = undefined
  /** The lease object, until maintenance has put it under the garbage collector's watch. */
  lease: Lease | undefined = undefined
  /** Whether the garbage collector watches the lease object. */
  watched = false
  /** Whether the driver's own object was handed out. */
  rawTaken = false
  /** Whether the current lease has been reported as a leak. */
  leakReported = false
  /**
   * Settles when the server has closed the cancel connection; until then the session must not be
   * lent.
   */
  cancelling: Promise<void> | undefined = undefined
  /** The stream or copy that has the session to itself, until the server has answered all of it. */
  occupant: OpenWork | undefined = undefined
  /** When the statement in flight was sent. */
  sentAt = 0
  /** The statement in flight, for the time that it may take to reach the server. */
  running: Statement | undefined = undefined
  /** When the server was last asked whether it still has this session. */
  askedAt = 0
  /**
   * Whether the process that was announced at log-in is the session's own, and not that of a
   * pooler.
   */
  hasOwnProcess = false
  /**
   * The server said that the commit under way is on its own disk and that it gave up waiting for
   * its synchronous standbys.
   */
  committedLocally = false
  /** Whether a cancel request of ours was sent since the work under way began. */
  cancelSent = false
  /** Server parameters as they were when the session was ready. */
  atBirth: ReadonlyMap<string, string> | undefined = undefined
  /** Names of server parameters whose value differs from the one at birth. */
  drifted: Set<string> | undefined = undefined
  /** Behind `lease.signal`; made only if somebody asks for the signal. */
  abort: AbortController | undefined = undefined
  /**
   * Why the session ended, once it has; set on a lent connection as soon as it cannot be trusted
   * with another statement.
   */
  lostReason: unknown = undefined
  /**
   * Those who wait for the connection to fall quiet; each returns whether it has seen what it
   * waited for.
   */
  #quietChecks: (() => boolean)[] | undefined
  /** Where its permit came from, and goes back to. */
  seat: BudgetSeat | undefined = undefined
  /** Owned by the idle stack. */
  above: Slot | undefined = undefined
  /** Owned by the idle stack. */
  below: Slot | undefined = undefined

  /** Makes the place of a connection that is about to be opened. */
  constructor(id: number, era: number) {
    this.id = id
    this.era = era
  }

  /** Whether the session is over, or beyond trust. */
  get over(): boolean {
    return this.state === 'gone' || this.lostReason !== undefined
  }

  /**
   * Whether nothing is in flight or open and no cancel request is under way, or the session is
   * over.
   */
  get quiet(): boolean {
    return (
      this.state === 'gone' ||
      (this.cancelling === undefined &&
        this.occupant === undefined &&
        (this.connection?.inFlight ?? 0) === 0)
    )
  }

  /** Resolves when the connection is quiet. */
  whenQuiet(): Promise<void> {
    if (this.quiet) return Promise.resolve()
    return new Promise((resolve) => {
      this.#quietChecks ??= []
      this.#quietChecks.push(() => {
        if (!this.quiet) return false
        resolve()
        return true
      })
    })
  }

  /** Something was answered, cancelled or lost: those who wait look again. */
  recheckQuiet(): void {
    if (this.#quietChecks === undefined) return
    const left = this.#quietChecks.filter((check) => !check())
    this.#quietChecks = left.length > 0 ? left : undefined
  }
}
