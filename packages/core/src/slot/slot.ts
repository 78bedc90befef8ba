import type { BudgetSeat } from '../api/connection-budget.js'
import type { DriverConnection } from '../api/driver.js'
import type { Lease } from '../api/lease.js'
import type { Statement } from '../api/statement.js'
import { messageOf } from '../base/message-of.js'
import { own } from '../base/own.js'
import { realTimers } from '../base/real-timers.js'
import { DatabaseError } from '../outcome/database-error.js'
import { ConnectionLostError, LeaseReleasedError } from '../outcome/errors.js'
import type { Executed } from '../outcome/outcome.js'
import type { ServerIdentity } from '../server/server-identity.js'
import { shownText } from '../sql/hide-strings.js'
import type { Occupant } from './occupant.js'
import { SessionMarks } from './session-marks.js'
import {
  CLEANING,
  CLOSING,
  CONNECTING,
  GONE,
  IDLE,
  LEASED,
  NEXT,
  type SlotState,
  STATES,
  VALIDATING,
} from './slot-steps.js'

/**
 * One place of a pool for one physical connection, and the only owner of its state. Fields that say
 * "owned by" belong to that part of the engine alone.
 */
export class Slot {
  /** Counts up within the pool; names the connection in events. */
  readonly id: number
  /** Which configuration it was opened under; older ones are replaced. */
  readonly era: number
  /** How its session may differ from a fresh one. */
  readonly marks: SessionMarks = new SessionMarks()
  #state: number = CONNECTING
  /** The session; undefined while connecting. */
  readonly connection: DriverConnection | undefined = undefined
  /** The server that the session leads to, if the server said so when it was opened. */
  readonly server: ServerIdentity | undefined = undefined
  /**
   * Whether the process that was announced at log-in is the session's own, and not that of a
   * pooler.
   */
  readonly hasOwnProcess: boolean = false
  /**
   * How long the server took to answer its first question, in milliseconds; 0 if it was not asked.
   */
  readonly answerMs: number = 0
  /**
   * Why the session ended, once it has; known on a lent connection as soon as it cannot be trusted
   * with another statement.
   */
  readonly lostReason: unknown = undefined
  #seat: BudgetSeat | undefined
  /** When it must be retired, jitter included; `Infinity` for never. Drawn once, at birth. */
  readonly expiresAt: number = Number.POSITIVE_INFINITY
  /** When it became idle. */
  readonly idleSince: number = 0
  /** Whether it is lent to the shared lane, whose calls have it together. */
  readonly shared: boolean = false
  /** When it was lent. */
  readonly leasedAt: number = 0
  /** How often it was lent. */
  readonly uses: number = 0
  /** Grows with every end of a lease; a lease is valid while its number agrees. */
  readonly generation: number = 0
  /** Whether the driver's own object was handed out under the current lease. */
  readonly rawTaken: boolean = false
  /** The stream or copy that has the session to itself, until the server has answered all of it. */
  readonly occupant: Occupant | undefined = undefined
  /** The last one under this lease: its reader may still take rows that the server has sent. */
  lastOccupant: Occupant | undefined
  /**
   * The statement in flight, or the bytes of those that were sent together, for the time that they
   * may take to reach the server.
   */
  readonly running: Statement | number | undefined = undefined
  /** How many statements were answered. */
  readonly answers: number = 0
  /** The batch whose statements are in flight. */
  readonly batch: object | undefined = undefined
  /** Text of the last statement; never its values, and never to be shown as it is. */
  readonly lastStatement: string | undefined = undefined
  /** When the statement in flight was sent. */
  readonly sentAt: number = 0
  /**
   * Whether the server said that the commit under way is on its own disk and that it gave up
   * waiting for its synchronous standbys.
   */
  readonly committedLocally: boolean = false
  /** Whether a cancel request of ours was sent since the work under way began. */
  readonly cancelSent: boolean = false
  /**
   * Whether a cancel request is under way: the session must not be lent before the server has
   * closed the cancel connection.
   */
  readonly cancelling: boolean = false
  // Made only if a caller asks for the signal of its lease.
  #abort: AbortController | undefined = undefined
  // Each returns whether its caller has seen the connection quiet.
  #quietChecks: (() => boolean)[] | undefined = undefined
  /**
   * Suspicion under which it last proved itself; a lower number than the pool's means it must prove
   * itself again. Owned by the handoff.
   */
  trusted = 0
  /**
   * When its server was last asked whether it still has this session. Owned by the half-open watch.
   */
  askedAt = 0
  /** The lease object, until the garbage collector watches it. Owned by the leak watch. */
  lease: Lease | undefined = undefined
  /** Whether the garbage collector watches the lease object. Owned by the leak watch. */
  watched = false
  /**
   * Where the current lease was acquired, if that was sampled; the text is made when it is read.
   * Owned by the leak watch.
   */
  acquireStack: { readonly stack?: string } | undefined = undefined
  /** Whether the current lease has been reported as a leak. Owned by the leak watch. */
  leakReported = false
  /** How much the reader of its stream had taken at the last look. Owned by the leak watch. */
  takenSeen = 0
  /** The last look at which that had grown. Owned by the leak watch. */
  takenAt = 0
  /** Owned by the idle stack. */
  above: Slot | undefined = undefined
  /** Owned by the idle stack. */
  below: Slot | undefined = undefined

  /**
   * Makes the place of a connection that is about to be opened. `seat` is where its permit came
   * from, and goes back to.
   */
  constructor(id: number, era: number, seat?: BudgetSeat) {
    this.id = id
    this.era = era
    this.#seat = seat
  }

  // ── its life ──

  /** What it is doing. */
  get state(): SlotState {
    return STATES[this.#state]!
  }

  /** Whether the session is over, or beyond trust. */
  get over(): boolean {
    return this.#state === GONE || this.lostReason !== undefined
  }

  /** The session is open. `server` is undefined where it is not known. */
  opened(
    connection: DriverConnection,
    parameters: ReadonlyMap<string, string>,
    server: ServerIdentity | undefined,
    hasOwnProcess: boolean,
    answerMs = 0,
  ): void {
    this.marks.begin(parameters)
    own<Slot>(this).answerMs = answerMs
    own<Slot>(this).connection = connection
    own<Slot>(this).server = server
    own<Slot>(this).hasOwnProcess = hasOwnProcess
  }

  /** Enters the service of its pool, until `expiresAt`. */
  serve(expiresAt: number): void {
    own<Slot>(this).expiresAt = expiresAt
    this.#seat?.leadsTo?.(this.server)
  }

  /** Goes to a caller. */
  lend(now: number): void {
    if (this.#state >= CLOSING) this.#refuse(LEASED)
    this.#state = LEASED
    own<Slot>(this).leasedAt = now
    own<Slot>(this).uses++
  }

  /** Goes to the shared lane. */
  share(now: number): void {
    this.#become(LEASED)
    this.marks.share(now)
    const slot = own<Slot>(this)
    slot.shared = true
    slot.leasedAt = now
    slot.running = undefined
    slot.lastStatement = undefined
    slot.committedLocally = false
    slot.cancelSent = false
  }

  /** One more call has it. */
  use(): void {
    own<Slot>(this).uses++
  }

  /** The shared lane has no call on it any more. */
  endSharing(): void {
    own<Slot>(this).shared = false
  }

  /** Serves as a session outside the pool, which is never given back. */
  standApart(): void {
    this.#become(LEASED)
    this.returnPermit()
  }

  /** Becomes idle. */
  rest(now: number): void {
    if (this.#state >= CLOSING) this.#refuse(IDLE)
    this.#state = IDLE
    own<Slot>(this).idleSince = now
  }

  /** Is about to be pinged. */
  validate(): void {
    this.#become(VALIDATING)
  }

  /** Is about to be brought back to a known state. */
  beginCleaning(): void {
    this.#become(CLEANING)
  }

  /** Is about to be ended politely. */
  close(reason: unknown): void {
    this.#become(CLOSING)
    this.markLost(reason)
  }

  /** The session cannot be trusted with another statement. The first reason is kept. */
  markLost(reason: unknown): void {
    own<Slot>(this).lostReason ??= reason
  }

  /** The session is over: its occupant, its signal and those who wait for quiet are told. */
  lose(reason: unknown): void {
    if (this.#state === GONE) return
    this.#become(GONE)
    this.markLost(reason)
    this.#fire(reason)
    this.occupant?.lost()
    this.recheckQuiet()
  }

  /** Gives its permit back, if it has one. */
  returnPermit(): void {
    this.#seat?.giveBack()
    this.#seat = undefined
  }

  /** A pooler stands in between: nothing is known any more of the server process behind it. */
  poolerNoticed(): void {
    this.connection?.stopNaming?.()
    this.marks.takeReset()
    own<Slot>(this).server = undefined
  }

  /**
   * The error for a statement that was not sent because the session is over, or for work that it
   * ended.
   */
  lostError(executed: Executed = 'no'): ConnectionLostError {
    const reason = this.lostReason
    const what = messageOf(reason ?? 'closed')
    return new ConnectionLostError(`the connection is gone: ${what}`, {
      executed,
      sqlState: reason instanceof DatabaseError ? reason.code : undefined,
      cause: reason,
    })
  }

  #become(next: number): void {
    if ((NEXT[this.#state]! & (1 << next)) === 0) this.#refuse(next)
    this.#state = next
  }

  #refuse(next: number): never {
    throw new Error(`connection ${this.id} is ${this.state} and cannot become ${STATES[next]}`)
  }

  // ── its lease ──

  /** Aborted when the lease or the session ends; `signal.reason` says why. */
  get signal(): AbortSignal {
    if (this.#state === GONE) return AbortSignal.abort(this.lostReason)
    this.#abort ??= new AbortController()
    return this.#abort.signal
  }

  /** The driver's own object is handed out, which may change the session in any way. */
  takeRaw(): void {
    this.marks.markDirty()
    own<Slot>(this).rawTaken = true
  }

  /** What its borrower has set in the session is to stay. */
  keep(): void {
    this.marks.cleaned(false)
    this.marks.begin(this.connection!.info.parameters)
  }

  /** The lease is over: its holder can do nothing to the connection any more. */
  endLease(pool: string): void {
    own<Slot>(this).generation++
    own<Slot>(this).rawTaken = false
    if (this.#abort !== undefined) this.#fireReleased(pool)
  }

  #fireReleased(pool: string): void {
    // A session that is gone has told its reason already.
    if (this.#state !== GONE) this.#fire(new LeaseReleasedError(pool))
  }

  #fire(reason: unknown): void {
    const abort = this.#abort
    if (abort === undefined) return
    this.#abort = undefined
    // Listeners of a lease's signal are user code: never inside a state change.
    realTimers.queueMicrotask(() => abort.abort(reason))
  }

  /** The current borrower wants the session reset before and after its use. */
  resetAround(): void {
    // A session that has served no caller before is as fresh as a reset one.
    this.marks.resetAround(this.uses > 1 && this.connection!.resetFirst !== undefined)
  }

  /** The borrower has returned it. `resets` is whether it must be reset for the next one. */
  returned(resets: boolean): void {
    this.marks.returned(resets, this.connection!.resetFirst !== undefined)
  }

  // ── what it runs ──

  /** Whether a backslash escapes in plain strings of the session. */
  get escapes(): boolean {
    return this.marks.escapes
  }

  /** Text of the last statement as it may be shown; undefined before the first one. */
  shownStatement(config: { readonly errorDetail: 'keep' | 'drop' }): string | undefined {
    return this.lastStatement && shownText(this.lastStatement, config.errorDetail === 'drop')
  }

  /** Work with this text begins; `statement` is what is sent for it now. */
  begin(text: string, now: number, statement?: Statement | number): void {
    own<Slot>(this).lastStatement = text
    own<Slot>(this).running = statement
    own<Slot>(this).sentAt = now
    own<Slot>(this).committedLocally = false
    own<Slot>(this).cancelSent = false
  }

  /** Statements of a batch are about to be sent; undefined: all of them are answered. */
  holdBatch(batch: object | undefined): void {
    own<Slot>(this).batch = batch
  }

  /**
   * The next of several statements that were sent together begins; `left` is the size of those that
   * are not answered, in bytes.
   */
  beginNext(text: string, now: number, left: number): void {
    own<Slot>(this).lastStatement = text
    own<Slot>(this).running = left
    own<Slot>(this).sentAt = now
    own<Slot>(this).committedLocally = false
  }

  /** A statement of the work under way is about to be sent. */
  send(statement: Statement): void {
    own<Slot>(this).running = statement
  }

  /** The server is asked for something from now on. */
  ask(now: number): void {
    own<Slot>(this).sentAt = now
  }

  /** The server has answered the statement. */
  answered(): void {
    own<Slot>(this).running = undefined
    own<Slot>(this).answers++
  }

  /** A stream or a copy gets the session to itself. */
  occupy(occupant: Occupant): void {
    own<Slot>(this).occupant = occupant
    this.lastOccupant = occupant
  }

  /** The session is free again. */
  vacate(): void {
    own<Slot>(this).occupant = undefined
    own<Slot>(this).running = undefined
  }

  /** The server committed without its synchronous standbys. */
  markCommittedLocally(): void {
    own<Slot>(this).committedLocally = true
  }

  /** Sends the reset that is due, in front of what the session does next. */
  resetAhead(): void {
    if (this.marks.takeReset()) this.connection!.resetFirst!()
  }

  // ── quiet ──

  /** A cancel request was sent. */
  beginCancel(): void {
    own<Slot>(this).cancelSent = true
    own<Slot>(this).cancelling = true
  }

  /** The cancel request is settled. */
  endCancel(): void {
    own<Slot>(this).cancelling = false
  }

  /**
   * Whether nothing is in flight or open and no cancel request is under way, or the session is
   * over.
   */
  get quiet(): boolean {
    return (
      this.#state === GONE ||
      (!this.cancelling && this.occupant === undefined && (this.connection?.inFlight ?? 0) === 0)
    )
  }

  /** Whether it can be lent again as it is, when it has just come back. */
  get clean(): boolean {
    const connection = this.connection!
    return (
      !this.cancelling &&
      this.occupant === undefined &&
      connection.inFlight === 0 &&
      this.marks.clean &&
      connection.transactionStatus() === 'idle'
    )
  }

  /** Resolves when the connection is quiet. */
  whenQuiet(): Promise<void> {
    if (this.quiet) return Promise.resolve()
    return new Promise((resolve) => {
      this.watchAnswers(() => {
        if (!this.quiet) return false
        resolve()
        return true
      })
    })
  }

  /**
   * Calls `check` when something was answered, cancelled or lost, until it returns true. It is
   * called before the session can be lent.
   */
  watchAnswers(check: () => boolean): void {
    this.#quietChecks ??= []
    this.#quietChecks.push(check)
  }

  /** Something was answered, cancelled or lost: those who wait for quiet look again. */
  recheckQuiet(): void {
    const checks = this.#quietChecks
    if (checks === undefined) return
    this.#quietChecks = undefined
    const left = checks.filter((check) => !check())
    // A check may have added others.
    if (left.length > 0) this.#quietChecks = [...left, ...(this.#quietChecks ?? [])]
  }
}
