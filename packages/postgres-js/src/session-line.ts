import { performance } from 'node:perf_hooks'
import { type ErrorDetail, PoolhouseError } from '@poolhouse/core'
import type { ConnectContext, RawHolder } from '@poolhouse/core/kit'
import { messageOf } from '@poolhouse/core/kit'
import {
  FrameWalker,
  frameWithoutDetail,
  type LoginGuard,
  ProtocolError,
  readNotice,
  readNotification,
  readParameter,
  realTimers,
  type ServerSocket,
  type SessionStatements,
  type SocketConnection,
  statusOf,
  tellTexts,
  toClosedError,
  WorkQueue,
  type WorkRunner,
} from '@poolhouse/core/net'
import type { TypeParsers } from '@poolhouse/core/types'
import type { Instance } from './instance.js'
import type { InstanceStart } from './instance-start.js'
import type { PostgresErrorClass } from './postgres-module.js'
import { readError, type SessionWork, tagOf, type WorkHost } from './session-work.js'
import { StandInSocket } from './stand-in-socket.js'
import type { Submission } from './submission.js'
import { closeStatement, FROM_SERVER, isKnownMessage, TERMINATE } from './wire/messages.js'
import { MessageRelay, SeriesCount } from './wire/relay.js'
import type { RowShape } from './wire/row-shape.js'

// Longest time for a cancel request of a query on `raw`.
const CANCEL_TIMEOUT_MS = 10_000

/** The connection, as its line reports to it. */
export type LineOwner = Pick<
  SocketConnection<RowShape>,
  | 'takeReset'
  | 'resetting'
  | 'resetAnswered'
  | 'resetRefused'
  | 'ready'
  | 'refused'
  | 'failed'
  | 'cancel'
  | 'parameter'
  | 'notice'
  | 'notification'
>

/**
 * Stands between the socket of a session and its instance of postgres.js. It reads both directions
 * message by message, so that it knows what was sent, what was answered and the state of the
 * session. Of an answer to the pool's work, postgres.js sees only the end. Work is given to
 * postgres.js one at a time.
 */
export class SessionLine implements WorkHost, WorkRunner<SessionWork> {
  readonly prepared: SessionStatements<RowShape>
  readonly types: TypeParsers
  readonly PostgresError: PostgresErrorClass
  /** The instance of postgres.js. */
  readonly instance: Instance
  /** The last borrower of `raw`; undefined if it was never lent. */
  holder: RawHolder | undefined = undefined
  readonly #socket: ServerSocket
  readonly #owner: LineOwner
  readonly #start: InstanceStart
  readonly #standIn: StandInSocket
  readonly #walker = new FrameWalker()
  #state: 'starting' | 'open' | 'leaving' | 'over' = 'starting'
  readonly #queue: WorkQueue<SessionWork> = new WorkQueue<SessionWork>(this)
  readonly #series = new SeriesCount()
  /** Outstanding CloseComplete messages, of which postgres.js knows nothing. */
  #closing = 0
  /** Whether the running command on `raw` has returned columns or rows. */
  #rawRows = false
  /** Cancel requests under way for queries on `raw`. */
  readonly #cancels = new Set<Promise<void>>()
  readonly #relay: MessageRelay
  readonly #errorDetail: ErrorDetail | undefined
  #guard: LoginGuard | undefined
  /** The piggybacked statement that postgres.js got before its turn. */
  #ahead: SessionWork | undefined
  #corked = false
  /** The reset to send before the next bytes of postgres.js. */
  #reset: Buffer | undefined

  /** Starts to listen to the socket. */
  constructor(
    start: InstanceStart,
    context: ConnectContext,
    socket: ServerSocket,
    owner: LineOwner,
    prepared: SessionStatements<RowShape>,
  ) {
    this.prepared = prepared
    this.#socket = socket
    this.#owner = owner
    const { host, port } = context.settings.endpoint
    this.#standIn = new StandInSocket(this, host, port)
    this.#start = start
    this.#errorDetail = context.errorDetail
    this.instance = start.instance
    this.types = start.types
    this.PostgresError = this.instance.sql.PostgresError
    this.#relay = new MessageRelay((chunk) => this.#standIn.emit('data', chunk))
    const { stream } = socket
    stream.on('data', (chunk: Buffer) => this.#read(chunk))
    stream.on('drain', () => {
      this.#queue.current?.drained()
      if (this.#state === 'open') this.#standIn.emit('drain')
    })
  }

  /** Work that is sent or waiting, and not yet answered. */
  get inFlight(): number {
    return this.#queue.length
  }

  /** Whether an answer is outstanding, including answers to queries on `raw`. */
  get busy(): boolean {
    return this.#queue.length > 0 || !this.#series.quiet
  }

  get writable(): boolean {
    return this.#state !== 'over' && this.#socket.stream.writable
  }

  /**
   * Has postgres.js send its start-up message. Until the log-in is over, `guard` takes what the
   * server sends, and is told if postgres.js gives up.
   */
  start(guard: LoginGuard): void {
    this.#guard = guard
    const fail = (error: unknown): void => guard.fail(error)
    this.#start.goOn({ standIn: this.#standIn, cancel: () => this.#cancel(), fail })
  }

  /** Resolves when no cancel request is under way that could hit the next statement. */
  async uncancelled(): Promise<void> {
    while (this.#cancels.size > 0) await Promise.allSettled(this.#cancels)
  }

  /** Runs work after all earlier work. */
  add(work: SessionWork): void {
    this.#queue.add(work)
  }

  /** Starts nothing more. */
  stop(): void {
    this.#queue.stop()
  }

  /** Sends Terminate after the running work. */
  leave(): void {
    if (this.#state !== 'open') return
    this.#state = 'leaving'
    if (this.#queue.current?.sent !== false) this.#terminate()
  }

  /** Fails all remaining work, because the session is over. Call it once. */
  lose(reason: unknown): void {
    this.#state = 'over'
    this.#walker.stop()
    this.#queue.lose(reason)
    this.#failInside(reason)
    this.instance.dispose()
  }

  send(...messages: readonly Buffer[]): boolean {
    if (!this.writable) return false
    const { stream } = this.#socket
    if (!this.#corked) {
      // Messages of one tick are sent together.
      this.#corked = true
      stream.cork()
      realTimers.nextTick(() => {
        this.#corked = false
        stream.uncork()
      })
    }
    let room = true
    for (const message of messages) {
      this.#series.sent(message)
      room = stream.write(message)
    }
    return room
  }

  untaken(work: SessionWork, error: Error): void {
    realTimers.nextTick(() => {
      this.#queue.skip(work, () => work.refuse(error))
    })
  }

  /** Called by the stand-in when postgres.js writes. */
  write(bytes: Buffer, written?: (error?: Error | null) => void): boolean {
    const { stream } = this.#socket
    if (!this.writable) {
      const error = over('it is over')
      if (written !== undefined) realTimers.nextTick(written, error)
      // Rejects queries that are started on `raw` now.
      realTimers.nextTick(() => this.#failInside(error))
      return false
    }
    if (this.#state !== 'starting') {
      if (!this.#admits(bytes)) return false
      this.#series.sent(bytes)
      this.#queue.current?.wrote()
      this.#ahead?.wrote()
    }
    const reset = this.#reset
    if (reset !== undefined) {
      this.#reset = undefined
      stream.cork()
      stream.write(reset)
    }
    const room = stream.write(bytes, written)
    if (reset !== undefined) stream.uncork()
    if (this.#state === 'leaving' && this.#queue.current?.sent !== false) this.#terminate()
    return room
  }

  /** Whether bytes may be sent: during a lease, with the texts reported, or for running work. */
  #admits(bytes: Buffer): boolean {
    const { holder } = this
    if (holder === undefined) return true
    if (holder.refusal() === undefined) {
      tellTexts(bytes, (text) => {
        holder.sends(text)
        this.prepared.rawSends(text)
      })
      return true
    }
    if (this.busy) return true
    this.#owner.failed(
      new PoolhouseError('its instance of postgres.js was used after its lease was over'),
    )
    return false
  }

  /** Called by the stand-in when postgres.js gives up. */
  end(reason: string): void {
    if (this.#state !== 'over') this.#owner.failed(toClosedError(new Error(reason)))
  }

  pause(paused: boolean): void {
    const { stream } = this.#socket
    if (paused) stream.pause()
    else stream.resume()
  }

  /** Called by the queue: gives work to postgres.js. */
  query(work: SessionWork): void {
    if (work === this.#ahead) {
      // postgres.js already has it.
      this.#ahead = undefined
      return
    }
    try {
      const { quiet } = this.#series
      const submission = work.submit(quiet)
      this.#reset ??= this.#owner.takeReset()
      if (quiet && this.prepared.hasClosing) this.#closeStatements()
      this.instance.handler(submission)
      if (quiet && work.isBuilt) this.#sendAhead(work.piggybacked)
    } catch (error) {
      this.untaken(work, error as Error)
    }
  }

  /**
   * Gives the piggybacked statement to postgres.js too, so that both are sent in one piece. If that
   * is not possible, the piggybacked statement is given at its turn.
   */
  #sendAhead(piggybacked: SessionWork | undefined): void {
    if (piggybacked === undefined) return
    let submission: Submission
    try {
      submission = piggybacked.submit(false)
    } catch {
      return
    }
    this.#ahead = piggybacked
    try {
      this.instance.handler(submission)
    } catch (error) {
      // The state of both statements inside postgres.js is unknown now.
      this.end(`postgres.js failed at a second statement: ${String(error)}`)
    }
  }

  async #cancel(): Promise<void> {
    // After the lease the request would hit the statement of another borrower.
    if (this.holder?.refusal() !== undefined) return
    const request = this.#owner.cancel(CANCEL_TIMEOUT_MS)
    this.#cancels.add(request)
    try {
      await request
    } finally {
      this.#cancels.delete(request)
    }
  }

  #closeStatements(): void {
    const names = this.prepared.takeClosing()
    this.#closing += names.length
    this.#socket.stream.write(Buffer.concat(names.map(closeStatement)))
  }

  #terminate(): void {
    const { stream } = this.#socket
    if (stream.writable) stream.end(TERMINATE)
  }

  #read(chunk: Buffer): void {
    this.#socket.lastByteAt = performance.now()
    const guard = this.#guard
    if (guard === undefined) {
      this.show(chunk)
      return
    }
    const taken = guard.take(chunk)
    if (guard.over) this.#guard = undefined
    if (!taken) this.show(chunk)
  }

  /** Takes bytes of the server. */
  show(chunk: Buffer): void {
    const walker = this.#walker
    try {
      walker.push(chunk)
      while (walker.next()) this.#take(walker.buffer, walker.from, walker.to)
      // Checked before the whole message has come, which might be a gigabyte.
      const { nextKind } = walker
      if (nextKind !== undefined && !isKnownMessage(nextKind)) throw unknownKind(nextKind)
      this.#relay.flush()
    } catch (error) {
      walker.stop()
      // During the log-in the guard handles it.
      if (this.#state === 'starting') throw error
      this.#owner.failed(toClosedError(error))
    }
  }

  #take(buffer: Buffer, from: number, to: number): void {
    const kind = buffer[from]!
    if (kind === FROM_SERVER.errorResponse && this.#errorDetail === 'drop') {
      const frame = frameWithoutDetail(buffer, from, to)
      this.#takeFrame(kind, frame, 0, frame.length)
    } else this.#takeFrame(kind, buffer, from, to)
  }

  #takeFrame(kind: number, buffer: Buffer, from: number, to: number): void {
    if (this.#owner.resetting && this.#answersReset(kind, buffer, from, to)) return
    const work = this.#queue.current
    const ours = work?.submission?.active === true
    switch (kind) {
      case FROM_SERVER.parameterStatus: {
        // The log-in guard has read those of the log-in.
        if (this.#state !== 'starting') {
          const { name, value } = readParameter(buffer.subarray(from + 5, to))
          this.#owner.parameter(name, value)
        }
        this.#relay.pass(buffer, from, to)
        break
      }
      case FROM_SERVER.notice:
        this.#owner.notice(readNotice(buffer.subarray(from + 5, to)))
        break
      case FROM_SERVER.notification: {
        const { channel, payload } = readNotification(buffer.subarray(from + 5, to))
        this.#owner.notification(channel, payload)
        break
      }
      case FROM_SERVER.errorResponse: {
        const refusal = ours ? work.takeError(buffer, from, to) : undefined
        this.#relay.pass(buffer, from, to)
        if (refusal?.severity !== 'ERROR') {
          const error = readError(this.PostgresError, buffer.subarray(from + 5, to))
          this.#owner.refused(error)
          // Without running work it announces the end of the session. The socket may stay open for
          // a while, during which the session must not be lent.
          if (this.#state === 'open' && !this.busy) this.#owner.failed(error)
        }
        break
      }
      case FROM_SERVER.readyForQuery:
        this.#relay.pass(buffer, from, to)
        this.#relay.flush()
        this.#ready(buffer[from + 5]!, ours)
        break
      default:
        if (kind === FROM_SERVER.closeComplete && this.#closing > 0) this.#closing--
        else if (kind === FROM_SERVER.authentication && this.#state !== 'starting') {
          // The log-in is over, and postgres.js would answer with a password.
          throw new ProtocolError('the server asks for another log-in')
        } else if (!isKnownMessage(kind)) {
          throw unknownKind(kind)
        } else if (ours) work.take(kind, buffer, from, to)
        else {
          this.#watchRaw(kind, buffer, from, to)
          this.#relay.pass(buffer, from, to)
        }
    }
  }

  /** Watches the answer of a query on `raw`. */
  #watchRaw(kind: number, buffer: Buffer, from: number, to: number): void {
    if (kind === FROM_SERVER.rowDescription || kind === FROM_SERVER.dataRow) this.#rawRows = true
    if (kind !== FROM_SERVER.commandComplete) return
    const tag = tagOf(buffer, from, to)
    // postgres.js does not describe a known statement, so an empty result shows no columns.
    this.prepared.completed(tag, this.#rawRows || tag === 'SELECT 0', false)
    this.#rawRows = false
  }

  /** Handles a message that answers a reset, of which postgres.js knows nothing. */
  #answersReset(kind: number, buffer: Buffer, from: number, to: number): boolean {
    switch (kind) {
      case FROM_SERVER.commandComplete:
        this.#owner.resetAnswered()
        return true
      case FROM_SERVER.errorResponse:
        this.#owner.resetRefused(readError(this.PostgresError, buffer.subarray(from + 5, to)))
        return true
      case FROM_SERVER.closeComplete:
        if (this.#closing > 0) this.#closing--
        return true
      case FROM_SERVER.parseComplete:
      case FROM_SERVER.bindComplete:
      case FROM_SERVER.dataRow:
      // Comes only after a refusal, for the Sync of the statement.
      case FROM_SERVER.readyForQuery:
        return true
      default:
        return false
    }
  }

  #ready(byte: number, ours: boolean): void {
    if (this.#state === 'over') return
    const status = statusOf(byte)
    if (this.#state === 'starting') {
      this.#state = 'open'
      // After a reservation postgres.js waits for its release; this event makes it look for work.
      this.#standIn.emit('drain')
    } else this.#series.answered()
    this.#owner.ready(status)
    if (ours) this.#queue.answered(this.prepared.mayRepeat)
  }

  /** Rejects the queries on `raw`, with a new error, because postgres.js changes it. */
  #failInside(reason: unknown): void {
    if (this.#standIn.listenerCount('error') > 0) this.#standIn.emit('error', over(reason))
  }
}

function unknownKind(kind: number): ProtocolError {
  return new ProtocolError(`the server sent a message of an unknown kind (byte ${kind})`)
}

function over(reason: unknown): Error {
  const why = messageOf(reason)
  return Object.assign(new Error(`the session is over: ${why}`), { code: 'CONNECTION_CLOSED' })
}
