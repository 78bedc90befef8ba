import type {
  ConnectionInfo,
  ConnectionListener,
  DriverConnection,
  DriverCopyIn,
  DriverCopyOut,
  DriverCursor,
  Notice,
  ResetLevel,
  TransactionStatus,
} from '../../api/driver.js'
import type { QueryResult, Statement } from '../../api/statement.js'
import { systemClock } from '../../base/clock.js'
import { messageOf } from '../../base/message-of.js'
import { realTimers } from '../../base/real-timers.js'
import { rethrowLater } from '../../base/rethrow-later.js'
import { PoolhouseError } from '../../outcome/poolhouse-error.js'
import { resetFailure } from '../../outcome/reset-failure.js'
import type { CancelKey } from '../frames/frame-bodies.js'
import { ProtocolError } from '../frames/login-error.js'
import { resetMessages, resetStatements } from '../frames/reset-text.js'
import { toClosedError } from '../frames/server-error.js'
import { SessionInfo } from '../frames/session-info.js'
import type { LoggedIn } from '../login/login-guard.js'
import type { ServerSocket } from '../socket/server-socket.js'
import type { SessionStatements } from '../statements/session-statements.js'
import type { Done } from '../work/done.js'
import { RESET_AGAIN, RESET_AT_FIRST, RESET_PARTS, whyRefused } from './reset-messages.js'

// PostgreSQL reports some twenty parameters of a few characters, and extensions may add theirs.
// Each session keeps what it was told.
const MOST_REPORTED = 262_144

/**
 * `starting` until the log-in is through; `ending` when nothing more is started; `over` is for
 * ever.
 */
export type ConnectionState = 'starting' | 'open' | 'ending' | 'over'

/**
 * The life of a session over a `ServerSocket`, its listener, and what it does by running
 * statements. Whatever ends the session passes through one place, once. `WireSession` adds how
 * statements are run, and reports what it hears from the server.
 */
export abstract class SocketConnection implements DriverConnection {
  abstract readonly raw: unknown
  abstract readonly inFlight: number
  /** How far its life has come. */
  protected state: ConnectionState = 'starting'
  /** As the last ReadyForQuery said. */
  status: TransactionStatus = 'unknown'
  /** The socket under it. */
  protected readonly socket: ServerSocket
  /** The prepared statements of the session. */
  readonly prepared: SessionStatements
  readonly #listener: ConnectionListener
  readonly #info: SessionInfo
  /** Characters by which the parameters have grown since the log-in. */
  #reported = 0
  #key: CancelKey | undefined
  #onEnd: (() => void)[] | undefined
  #resetWanted = false
  /** Whether the server has the parts of the reset prepared, as far as it is known. */
  #resetPrepared = false
  /** Parts of a reset that was sent and whose answers are to come. */
  #resetLeft = 0
  /** The first thing that said why the session ends. */
  #reason: unknown

  /** Listens for the end of the socket from now on. */
  constructor(socket: ServerSocket, listener: ConnectionListener, prepared: SessionStatements) {
    this.socket = socket
    this.prepared = prepared
    this.#listener = listener
    this.#info = new SessionInfo('path' in socket.peer ? {} : socket.peer)
    // Not `once`, which holds on to three more objects.
    socket.stream.on('close', () => this.#end())
  }

  get info(): ConnectionInfo {
    return this.#info
  }

  /** With which to cancel; undefined if the server gave none. */
  protected get key(): CancelKey | undefined {
    return this.#key
  }

  get lastByteAt(): number {
    return this.socket.lastByteAt
  }

  abstract transactionStatus(): TransactionStatus
  abstract run(statement: Statement, done: Done): void
  abstract openCursor(statement: Statement): DriverCursor
  abstract copyIn(text: string): Promise<DriverCopyIn>
  abstract copyOut(text: string): Promise<DriverCopyOut>

  async listen(channel: string): Promise<void> {
    await this.#query(`LISTEN "${channel.replaceAll('"', '""')}"`)
  }

  async ping(): Promise<void> {
    // The empty query: the server neither parses nor takes a snapshot, and it is allowed in a
    // failed transaction.
    await this.#query('')
  }

  stopNaming(): void {
    this.prepared.stopNaming()
  }

  resetFirst(): void {
    // Here, because the name of a statement is chosen before the reset is taken.
    this.prepared.resetAhead()
    this.#resetWanted = true
  }

  /** Whether a reset is to go out in front of the next work. */
  get resetIsDue(): boolean {
    return this.#resetWanted
  }

  /** Whether what the server answers next belongs to a reset. */
  get resetting(): boolean {
    return this.#resetLeft > 0
  }

  /**
   * The messages that are to go out in front of work that is begun now; undefined if no reset is
   * due.
   */
  takeReset(): Buffer | undefined {
    if (!this.#resetWanted) return undefined
    this.#resetWanted = false
    this.#resetLeft = RESET_PARTS
    const messages = this.#resetPrepared ? RESET_AGAIN : RESET_AT_FIRST
    this.#resetPrepared = true
    return messages
  }

  /** A part of the reset is through. */
  resetAnswered(): void {
    this.#resetLeft--
  }

  /** The server refuses a part of the reset, so that it passes over what follows. */
  resetRefused(why: Error): void {
    // Whatever else was read already answers the Sync behind the statement, which was passed over.
    this.#resetLeft = Number.POSITIVE_INFINITY
    this.failed(resetFailure(whyRefused(why)))
  }

  async reset(level: ResetLevel, apart = false): Promise<void> {
    // A borrower whose text changes the session may have dropped them.
    if (level !== 'rollback') this.#resetPrepared = false
    const status = this.transactionStatus()
    const messages = apart
      ? resetMessages(level, status)
      : [resetStatements(level, status).join('; ')].filter((text) => text !== '')
    if (messages.length === 0) return
    this.prepared.resetting(true)
    try {
      for (const text of messages) await this.#query(text)
    } finally {
      this.prepared.resetting(false)
    }
    if (level !== 'rollback') this.prepared.wasReset(this.#info.parameters)
  }

  async cancel(timeoutMs: number): Promise<void> {
    // Nothing runs any more.
    if (this.state === 'over') return
    if (this.#key === undefined) {
      throw new PoolhouseError('the server gave no key to cancel with; is a proxy in between?')
    }
    this.prepared.cancelAsked()
    try {
      await this.socket.sendCancel(this.#key, timeoutMs)
    } catch (cause) {
      const why = messageOf(cause)
      throw new PoolhouseError(`the cancel request failed: ${why}`, { cause })
    }
  }

  async close(timeoutMs: number): Promise<void> {
    if (this.state === 'over') return
    await new Promise<void>((resolve) => {
      const giveUp = (): void => this.destroy(`it did not close within ${timeoutMs} ms`)
      const timer = systemClock.setTimer(giveUp, timeoutMs, { keepAlive: true })
      this.#onEnd ??= []
      this.#onEnd.push(() => {
        timer.cancel()
        resolve()
      })
      if (this.state === 'ending') return
      this.state = 'ending'
      this.#reason ??= 'it was closed'
      this.stop()
      this.sayGoodbye()
    })
  }

  destroy(reason: unknown): void {
    // The first to break it is the one to give the reason.
    if (this.state === 'over' || this.socket.raw.destroyed) return
    this.#reason = reason
    this.#break()
  }

  ref(): void {
    this.socket.ref()
  }

  unref(): void {
    this.socket.unref()
  }

  /**
   * The log-in is through: this is what the guard of the log-in heard. To be called when the first
   * ReadyForQuery was handled.
   */
  identified({ key, parameters }: LoggedIn): void {
    this.#key = key
    this.prepared.born(parameters)
    this.#info.loggedIn(key?.processID ?? 0, parameters)
  }

  /** Breaks the socket of a session that never began; calls no listener. */
  abandon(): void {
    this.state = 'over'
    this.socket.break()
  }

  /**
   * ReadyForQuery. The first one opens the session. To be called before the work that it ends is
   * settled.
   */
  ready(status: TransactionStatus): void {
    if (this.state === 'over') return
    if (this.state === 'starting') this.state = 'open'
    this.status = status
    this.prepared.ready(status)
    // What looked like the end was not: an ERROR whose severity came in another language.
    if (this.state === 'open') this.#reason = undefined
  }

  /** The server said something that the session may not survive. */
  refused(reason: Error): void {
    this.prepared.rawFailed()
    this.#reason ??= reason
  }

  /**
   * The session is of no use any more, for this reason if there was none before. Of a log-in, its
   * guard hears that the socket is broken.
   */
  failed(reason: Error): void {
    if (this.state === 'over') return
    if (this.state === 'starting') {
      this.socket.break()
      return
    }
    this.#reason ??= reason
    this.#break()
  }

  /** ParameterStatus. Those of the log-in are its guard's business. */
  parameter(name: string, value: string): void {
    if (this.state !== 'open' && this.state !== 'ending') return
    const former = this.#info.parameters.get(name)
    const grown = former === undefined ? name.length + value.length : value.length - former.length
    this.#reported += grown
    if (this.#reported > MOST_REPORTED) {
      this.failed(
        toClosedError(
          new ProtocolError('the server reports parameters without end; is it PostgreSQL?'),
        ),
      )
      return
    }
    this.#info.report(name, value)
    this.prepared.parameter(name, value)
    if (this.state === 'open') this.#listener.parameter(name, value)
  }

  /** NoticeResponse. */
  notice(notice: Notice): void {
    if (this.state !== 'over') this.#listener.notice(notice)
  }

  /** NotificationResponse. */
  notification(channel: string, payload: string): void {
    if (this.state !== 'over') this.#listener.notification(channel, payload)
  }

  /** Starts nothing more. */
  protected abstract stop(): void
  /** Says good-bye, behind what was sent. Called after `stop`. */
  protected abstract sayGoodbye(): void
  /** The session is over: settles all work. */
  protected abstract lose(reason: unknown): void

  /** Settles work that came too early or too late, in a tick of its own. */
  protected turnAway(work: { lose(reason: unknown): void }): void {
    realTimers.nextTick(() => work.lose(this.#reason ?? 'it is closed'))
  }

  #query(text: string): Promise<QueryResult<unknown>> {
    return new Promise((resolve, reject) => {
      this.run({ text }, (error, result) => (error === null ? resolve(result!) : reject(error)))
    })
  }

  #break(): void {
    this.state = 'ending'
    this.stop()
    this.socket.break()
    realTimers.nextTick(() => this.#end())
  }

  #end(): void {
    if (this.state === 'over') return
    const wasBorn = this.state !== 'starting'
    this.state = 'over'
    this.status = 'unknown'
    // The log-in of a session that was never born is its guard's business.
    if (!wasBorn) return
    this.prepared.over()
    const reason = this.#reason ?? toClosedError(undefined)
    this.lose(reason)
    try {
      this.#listener.closed(reason)
    } catch (error) {
      rethrowLater(error)
    }
    for (const onEnd of this.#onEnd ?? []) onEnd()
    this.#onEnd = undefined
  }
}
