import type {
  ConnectContext,
  DriverCopyIn,
  DriverCopyOut,
  DriverCursor,
  ErrorDetail,
  RawHolder,
  ResetLevel,
  SentStatement,
  TransactionStatus,
} from '../../api/driver.js'
import { piggybackOf, type Statement, wireValuesOf } from '../../api/statement.js'
import { realTimers } from '../../base/real-timers.js'
import { type TypeParsers, typeParsers } from '../../types/type-parsers.js'
import { frameWithoutDetail } from '../frames/drop-detail.js'
import { readErrorResponse, readNotice } from '../frames/error-response.js'
import { readNotification, readParameter } from '../frames/frame-bodies.js'
import { FrameWalker } from '../frames/frame-walker.js'
import { ProtocolError, unaskedFor, unknownKind } from '../frames/login-error.js'
import { CLOSE_MARK, FROM_SERVER, isKnownMessage, TERMINATE } from '../frames/messages.js'
import { toClosedError, toDatabaseError } from '../frames/server-error.js'
import { statusOf } from '../frames/status-of.js'
import type { LoginView } from '../login/login-guard.js'
import type { ServerSocket } from '../socket/server-socket.js'
import { SessionStatements } from '../statements/session-statements.js'
import { AnswerMarks } from '../work/answer-marks.js'
import { CopyInWork, CopyOutWork } from '../work/copy-work.js'
import { CursorWork } from '../work/cursor-work.js'
import { declaredOf } from '../work/declared-types.js'
import { DescribeWork } from '../work/describe-work.js'
import type { Done } from '../work/done.js'
import { type JoinedPart, JoinedWork } from '../work/joined-work.js'
import { PairOutcome } from '../work/pair-outcome.js'
import { RowCursor } from '../work/row-cursor.js'
import { LoneWork, PiggybackWork } from '../work/sent-along.js'
import { isForItself, isOne, mayChange, stepsOf } from '../work/sent-steps.js'
import { SharedWork } from '../work/shared-work.js'
import { StatementWork } from '../work/statement-work.js'
import type { WireHost, WireWork } from '../work/wire-work.js'
import { WorkQueue, type WorkRunner } from '../work/work-queue.js'
import { ClientLine, copyInProgress } from './client-line.js'
import type { Library } from './library.js'
import { SocketConnection } from './socket-connection.js'

// Kind, length and the status.
const READY_LENGTH = 6

/**
 * One session, spoken by core itself: its messages are written and read here, whichever library the
 * pool uses. The library's client is made when a borrower asks for it, and speaks over `ClientLine`
 * in turn with the work of the pool, which goes one thing at a time.
 */
export class WireSession
  extends SocketConnection
  implements WireHost, WorkRunner<WireWork>, LoginView
{
  readonly types: TypeParsers
  readonly #library: Library
  readonly #errorDetail: ErrorDetail | undefined
  readonly #walker = new FrameWalker()
  /** Which of them want the socket not to be read: the work of the pool, and the client. */
  readonly #pauses = { work: false, client: false }
  readonly marks: AnswerMarks = new AnswerMarks()
  readonly #queue: WorkQueue<WireWork> = new WorkQueue<WireWork>(this)
  /** Whether bytes of the server are being taken. */
  #isReading = false
  /** Work that was sent meanwhile: what has come already answers none of it. */
  #early: WireWork | undefined
  /** Work whose turn has come while the server still answers the client. */
  #postponed: WireWork | undefined
  /** The client of the library and its way to the server; undefined until it is first lent. */
  #line: ClientLine | undefined

  /** Attaches every listener that this session will ever have. */
  constructor(library: Library, context: ConnectContext, socket: ServerSocket) {
    super(socket, context.listener, new SessionStatements(context.statements))
    this.#library = library
    this.#errorDetail = context.errorDetail
    this.types = context.types ?? typeParsers()
    const { stream } = socket
    stream.on('error', (error: Error) => this.refused(toClosedError(error)))
    stream.on('drain', () => this.#drained())
  }

  get raw(): unknown {
    return this.#lineOf().client.raw
  }

  lendRaw(holder: RawHolder): unknown {
    this.prepared.rawTaken()
    const line = this.#lineOf()
    if (this.resetIsDue) {
      // What the client sends waits for this.
      const first = new StatementWork(this, { text: '' }, undefined, () => undefined)
      first.isAhead = true
      this.#submit(first)
    }
    return line.lend(holder)
  }

  get inFlight(): number {
    return this.#queue.length
  }

  /** Whether an answer is outstanding, also to the client. */
  get busy(): boolean {
    return this.#queue.length > 0 || this.#line?.busy === true
  }

  transactionStatus(): TransactionStatus {
    // The owner of `raw` may run statements there.
    return this.busy ? 'unknown' : this.status
  }

  /** Takes bytes of the server. */
  show(chunk: Buffer): void {
    const walker = this.#walker
    this.#isReading = true
    try {
      walker.push(chunk)
      while (walker.next()) this.#take(walker.buffer, walker.from, walker.to)
      // Checked before the whole message has come, which might be a gigabyte.
      const { nextKind } = walker
      if (nextKind !== undefined && !isKnownMessage(nextKind)) throw unknownKind(nextKind)
      this.#line?.flush()
    } catch (error) {
      walker.stop()
      // During the log-in its guard handles it.
      if (this.state === 'starting') throw error
      this.failed(toClosedError(error))
    } finally {
      this.#isReading = false
      this.#early = undefined
    }
  }

  run(statement: Statement, done: Done): void {
    const declared = declaredOf(statement)
    if (declared?.describe !== undefined) {
      this.#submit(new DescribeWork(this, statement, declared, done))
      return
    }
    let work: StatementWork
    let behind: StatementWork | undefined
    try {
      const values = wireValuesOf(statement)
      const piggyback = piggybackOf(statement)
      // Not in the simple protocol: the text may hold several statements, or start a COPY, which
      // would swallow what follows.
      if (piggyback !== undefined && (values !== undefined || statement.name !== undefined)) {
        const again = (): void => this.#submit(new StatementWork(this, statement, values, done))
        const outcome = new PairOutcome({ piggyback, prepared: this.prepared, again, done })
        const second = piggyback.statement
        behind = new StatementWork(this, second, wireValuesOf(second), outcome.second)
        work = new PiggybackWork(this, statement, values, outcome)
        work.behind = [behind]
      } else work = new StatementWork(this, statement, values, done)
    } catch (error) {
      realTimers.nextTick(done, error as Error)
      return
    }
    this.#submit(work)
    if (behind !== undefined) this.#submit(behind)
  }

  runTogether(statements: readonly SentStatement[]): boolean {
    if (this.state !== 'open') return false
    if (statements.length > 1 && statements.some(isForItself)) return false
    const steps = stepsOf(statements)
    for (const step of steps) if (step.length > 1 && !step.every(isOne)) return false
    let isBehindChange = false
    const partOf = (sent: SentStatement): JoinedPart => {
      const part = { sent, values: wireValuesOf(sent.statement), isBehindChange }
      isBehindChange ||= mayChange(sent.statement.text)
      return part
    }
    const works = steps.map((step) => {
      const parts = step.map(partOf)
      if (parts.length > 1) return new JoinedWork(this, parts)
      const [{ sent, values }] = parts as [JoinedPart]
      return new LoneWork(this, sent.statement, values, sent.done)
    })
    const [first, ...behind] = works
    if (first === undefined) return false
    first.behind = behind
    for (const work of works) this.#submit(work)
    return true
  }

  share(statements: readonly SentStatement[]): void {
    const { stream } = this.socket
    const goesAtOnce = this.state === 'open' && stream.writable && this.#isPassable
    const pieces: Buffer[] = []
    for (const sent of statements) {
      let work: SharedWork | undefined
      try {
        const isMarked = goesAtOnce && this.marks.next()
        work = new SharedWork(this, sent, isMarked)
        const messages = goesAtOnce ? work.messages() : undefined
        if (isMarked) pieces.push(CLOSE_MARK)
        if (messages !== undefined) pieces.push(messages)
      } catch (error) {
        work?.takeBack()
        realTimers.nextTick(() => sent.done(error as Error))
        continue
      }
      if (goesAtOnce) {
        this.marks.sent()
        work.sent = true
        this.#queue.join(work)
      } else this.#submit(work)
    }
    if (pieces.length > 0) stream.write(pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces))
  }

  get full(): boolean {
    return this.socket.stream.writableNeedDrain
  }

  /** Whether nothing has to go out before what is sent now. */
  get #isPassable(): boolean {
    // A client that was lent takes turns with the work of the pool.
    if (this.#line !== undefined || this.resetIsDue) return false
    const { last } = this.#queue
    return last === undefined || last.sent
  }

  openCursor(statement: Statement): DriverCursor {
    return new RowCursor((count, ends) => {
      const values = wireValuesOf(statement)
      const work = new CursorWork(this, statement, values, count, ends)
      this.#submit(work)
      return work
    })
  }

  copyIn(text: string): Promise<DriverCopyIn> {
    return new Promise((resolve, reject) => {
      this.#submit(new CopyInWork(this, text, { resolve, reject }))
    })
  }

  copyOut(text: string): Promise<DriverCopyOut> {
    return new Promise((resolve, reject) => {
      this.#submit(new CopyOutWork(this, text, { resolve, reject }))
    })
  }

  override async reset(level: ResetLevel, apart?: boolean): Promise<void> {
    // Listeners of this borrower would hear the notices of the next one, and a cancel that they
    // have asked for must not hit the statement of the next one.
    await this.#line?.restore()
    await super.reset(level, apart)
  }

  // ── for its work ──

  /** Called by the queue: sends the work, if the server owes the client nothing. */
  query(work: WireWork): void {
    if (work.sent) return
    const line = this.#line
    if (line === undefined) this.#begin(work)
    else if (line.isCopying) this.#refuse(work, copyInProgress())
    else if (work.isAhead ? line.isAnswered : !line.hasTurn) this.#begin(work)
    else this.#postponed = work
  }

  errorOf(body: Buffer): Error {
    return this.#library.errorOf(body)
  }

  send(messages: Buffer): boolean {
    const { stream } = this.socket
    return this.state !== 'over' && stream.writable && stream.write(messages)
  }

  pause(paused: boolean): void {
    this.#pause('work', paused)
  }

  /** Nothing of what has come already is believed any more. */
  override failed(reason: Error): void {
    if (this.state !== 'starting') this.#walker.stop()
    super.failed(reason)
  }

  protected override stop(): void {
    this.#queue.stop()
  }

  protected override sayGoodbye(): void {
    // The server reads it after it has answered. Work that has not begun never will.
    const { stream } = this.socket
    if (stream.writable) stream.end(TERMINATE)
  }

  protected override lose(reason: unknown): void {
    this.#walker.stop()
    this.#postponed = undefined
    this.#queue.lose(reason)
    this.#line?.lose(reason)
  }

  #lineOf(): ClientLine {
    if (this.#line === undefined) {
      const line = new ClientLine({
        socket: this.socket,
        types: this.types,
        info: this.info,
        key: this.key,
        status: () => this.status,
        isOver: () => this.state === 'over',
        isBusy: () => this.#queue.current?.sent === true,
        quiet: () => this.#continue(),
        pause: (paused) => this.#pause('client', paused),
        copying: () => this.#refusePostponed(),
        failed: (error) => this.failed(error),
        cancel: (timeoutMs) => this.cancel(timeoutMs),
        rawSends: (text) => this.prepared.rawSends(text),
      })
      this.#line = line
      line.client = this.#library.makeClient(line)
      const { names } = line.client
      if (names !== undefined) this.prepared.beside(names)
    }
    return this.#line
  }

  #submit(work: WireWork): void {
    if (this.state === 'open') this.#queue.add(work)
    else this.turnAway(work)
  }

  /** Begins what had to wait for the client. */
  #continue(): void {
    const work = this.#postponed
    const line = this.#line!
    if (work === undefined || (work.isAhead ? !line.isAnswered : line.hasTurn)) return
    this.#postponed = undefined
    this.#begin(work)
  }

  #refusePostponed(): void {
    const work = this.#postponed
    this.#postponed = undefined
    if (work !== undefined) this.#refuse(work, copyInProgress())
  }

  /** Settles work that cannot be sent, in a tick of its own. */
  #refuse(work: WireWork, error: Error): void {
    realTimers.nextTick(() => this.#queue.skip(work, () => work.refuse(error)))
  }

  #begin(work: WireWork): void {
    const { stream } = this.socket
    // The peer is gone, and the end of the session follows.
    if (!stream.writable) return
    const pieces: Buffer[] = []
    try {
      pieces.push(work.messages())
    } catch (error) {
      this.#refuse(work, error as Error)
      return
    }
    const reset = this.takeReset()
    if (reset !== undefined) pieces.unshift(reset)
    work.sent = true
    if (this.#isReading) this.#early ??= work
    for (const next of work.behind ?? []) {
      try {
        pieces.push(next.messages())
        next.sent = true
      } catch {
        // It fails when it is its turn.
        next.takeBack()
        break
      }
    }
    stream.write(pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces))
  }

  #pause(side: 'work' | 'client', paused: boolean): void {
    const pauses = this.#pauses
    if (pauses[side] === paused) return
    pauses[side] = paused
    const { stream } = this.socket
    if (pauses.work || pauses.client) stream.pause()
    else stream.resume()
  }

  #drained(): void {
    this.#queue.current?.drained()
    this.#line?.drained()
  }

  #take(buffer: Buffer, from: number, to: number): void {
    const kind = buffer[from]!
    if (kind === FROM_SERVER.errorResponse && this.#errorDetail === 'drop') {
      const frame = frameWithoutDetail(buffer, from, to)
      this.#takeFrame(kind, frame, 0, frame.length)
    } else this.#takeFrame(kind, buffer, from, to)
  }

  #takeFrame(kind: number, buffer: Buffer, from: number, to: number): void {
    const work = this.#queue.current
    const isEarly = work !== undefined && work === this.#early
    if (!isEarly && this.resetting && this.#answersReset(kind, buffer, from, to)) return
    const ours = work?.sent === true && !isEarly
    switch (kind) {
      case FROM_SERVER.parameterStatus: {
        // The log-in guard has read those of the log-in.
        if (this.state !== 'starting') {
          const { name, value } = readParameter(buffer.subarray(from + 5, to))
          this.parameter(name, value)
        }
        this.#line?.pass(buffer, from, to)
        break
      }
      case FROM_SERVER.notice:
        this.notice(readNotice(buffer.subarray(from + 5, to)))
        this.#line?.pass(buffer, from, to)
        break
      case FROM_SERVER.notification: {
        const { channel, payload } = readNotification(buffer.subarray(from + 5, to))
        this.notification(channel, payload)
        this.#line?.pass(buffer, from, to)
        break
      }
      case FROM_SERVER.errorResponse: {
        const refusal = ours ? work.takeError(buffer, from, to) : undefined
        if (!ours) this.#line?.refuse(buffer, from, to)
        if (refusal?.severity !== 'ERROR') this.#said(buffer.subarray(from + 5, to))
        break
      }
      case FROM_SERVER.readyForQuery:
        this.#ready(buffer, from, to, ours ? work : undefined)
        break
      default:
        if (kind === FROM_SERVER.authentication && this.state !== 'starting') {
          throw new ProtocolError('the server asks for another log-in')
        } else if (!isKnownMessage(kind)) {
          throw unknownKind(kind)
        } else if (ours) work.take(kind, buffer, from, to)
        else if (this.#line?.isOwed === true)
          this.#line.answer(kind, buffer, from, to, this.prepared)
        // Whose answer would the next one be?
        else if (this.state !== 'starting') throw unaskedFor(kind)
    }
  }

  /** The server says something that the session may not survive. */
  #said(body: Buffer): void {
    const error = toDatabaseError(readErrorResponse(body), false, this.errorOf(body))
    this.refused(error)
    // Without running work it announces the end of the session. The socket may stay open for a
    // while, during which the session must not be lent.
    if (this.state === 'open' && !this.busy) this.failed(error)
  }

  #ready(buffer: Buffer, from: number, to: number, work: WireWork | undefined): void {
    if (this.state === 'over') return
    const isDue =
      work === undefined
        ? this.#line?.isOwed === true || this.state === 'starting'
        : work.isAnswered
    // The next statement would take it for the end of its own answer.
    if (!isDue) throw unaskedFor(FROM_SERVER.readyForQuery)
    if (to - from !== READY_LENGTH) throw new ProtocolError('a ReadyForQuery says no status')
    this.ready(statusOf(buffer[from + 5]!))
    if (work !== undefined) this.#queue.answered(this.prepared.mayRepeat)
    else this.#line?.ready(buffer, from, to)
    if (this.#queue.current?.sent !== true) this.#line?.goOn()
  }

  /** Handles a message that answers a reset. */
  #answersReset(kind: number, buffer: Buffer, from: number, to: number): boolean {
    switch (kind) {
      case FROM_SERVER.commandComplete:
        this.resetAnswered()
        return true
      case FROM_SERVER.errorResponse: {
        const body = buffer.subarray(from + 5, to)
        this.resetRefused(toDatabaseError(readErrorResponse(body), false, this.errorOf(body)))
        return true
      }
      case FROM_SERVER.closeComplete:
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
}
