import { type ErrorDetail, PoolhouseError, type Statement } from '@poolhouse/core'
import {
  type ConnectContext,
  type DriverCopyIn,
  type DriverCopyOut,
  type DriverCursor,
  piggybackOf,
  type RawHolder,
  type ResetLevel,
  type TransactionStatus,
} from '@poolhouse/core/kit'
import {
  type Done,
  isServerError,
  RowCursor,
  realTimers,
  type ServerSocket,
  SessionStatements,
  SocketConnection,
  statusOf,
  toClosedError,
  toDatabaseError,
  WorkQueue,
  type WorkRunner,
  wireValuesOf,
} from '@poolhouse/core/net'
import type { TypeParsers } from '@poolhouse/core/types'
import { clientNames } from './client-names.js'
import { PgCopyIn, PgCopyOut } from './copy.js'
import { CursorStatement } from './cursor-statement.js'
import { LentClient } from './lent-client.js'
import type { PgClient } from './pg-module.js'
import { PgStatement } from './pg-statement.js'
import type { RowShape } from './row-shape.js'
import type { SessionWork, WorkHost } from './session-work.js'
import { statementPair } from './statement-pair.js'
import { hear, hearReady, type WireEvents } from './wire-events.js'

/**
 * One session over one `pg.Client`. Gives `pg` one statement at a time and settles it at
 * ReadyForQuery, when the transaction status is known.
 */
export class PgConnection
  extends SocketConnection<RowShape>
  implements WorkHost, WireEvents, WorkRunner<SessionWork>
{
  readonly #client: PgClient
  // Undefined until the client is first handed out.
  #lent: LentClient | undefined
  readonly types: TypeParsers
  readonly errorDetail: ErrorDetail | undefined
  readonly #queue: WorkQueue<SessionWork>
  // Whether the running command has described columns.
  #described = false

  /**
   * Attaches every listener that this connection will ever have. `client` must not have been
   * connected yet; `types` turns the texts of the server into values.
   */
  constructor(client: PgClient, socket: ServerSocket, types: TypeParsers, context: ConnectContext) {
    const { statements, listener, errorDetail } = context
    super(socket, listener, new SessionStatements(statements, clientNames(client.connection)))
    this.types = types
    this.errorDetail = errorDetail
    this.#client = client
    this.#queue = new WorkQueue<SessionWork>(this)
    client.on('error', (error: unknown) => {
      // `pg` also reports the end of a session that we have ended ourselves.
      if (this.state === 'over') return
      this.failed(isServerError(error) ? toDatabaseError(error, false) : toClosedError(error))
    })
    hear(client.connection, this)
  }

  get raw(): PgClient {
    return this.#client
  }

  lendRaw(holder: RawHolder): unknown {
    this.prepared.rawTaken()
    this.#lent ??= new LentClient(
      this.#client,
      (text) => this.prepared.rawSends(text),
      (what) => this.failed(new PoolhouseError(what)),
    )
    // Queries on the client wait in `pg` until this is answered.
    if (this.resetIsDue) this.run({ text: '' }, () => undefined)
    return this.#lent.to(holder)
  }

  /** Called by the queue. */
  query(work: SessionWork): void {
    const reset = this.takeReset()
    if (reset === undefined) {
      this.#begin(work)
      return
    }
    const { stream } = this.#client.connection
    stream.cork()
    if (this.#lent === undefined) stream.write(reset)
    else this.#lent.write(reset)
    this.#begin(work)
    stream.uncork()
  }

  #begin(work: SessionWork): void {
    if (this.#lent === undefined) this.#client.query(work)
    else this.#lent.run(work)
  }

  get inFlight(): number {
    return this.#queue.length
  }

  transactionStatus(): TransactionStatus {
    // The owner of `raw` may run statements there.
    if (this.#queue.length > 0 || this.#client.readyForQuery === false) return 'unknown'
    return this.status
  }

  /** Ends the log-in. Must be called while the first ReadyForQuery is handled. */
  opened(status: TransactionStatus): void {
    this.ready(status)
    hearReady(this.#client.connection)
  }

  run(statement: Statement, done: Done): void {
    const piggyback = piggybackOf(statement)
    let work: PgStatement
    let piggybacked: PgStatement | undefined
    try {
      const values = wireValuesOf(statement)
      // Not in the simple protocol: the text may hold several statements, or start a COPY, which
      // would swallow the piggybacked statement. Not while `raw` is lent: `pg` would take the
      // second answer for that of a query of its owner.
      const extended = statement.name !== undefined || values !== undefined
      const single = extended && this.#lent === undefined
      if (piggyback !== undefined && single) {
        const piggybackValues = wireValuesOf(piggyback.statement)
        const parts = { statement, values, piggyback, piggybackValues }
        const alone = (): void => this.#submit(new PgStatement(this, statement, values, done))
        ;({ first: work, second: piggybacked } = statementPair(this, parts, alone, done))
      } else work = new PgStatement(this, statement, values, done)
    } catch (error) {
      realTimers.nextTick(done, error as Error)
      return
    }
    this.#submit(work)
    if (piggybacked !== undefined) this.#submit(piggybacked)
  }

  openCursor(statement: Statement): DriverCursor {
    return new RowCursor((count, ends) => {
      const values = wireValuesOf(statement)
      const work = new CursorStatement(this, statement, values, count, ends)
      this.#submit(work)
      return work
    })
  }

  copyIn(text: string): Promise<DriverCopyIn> {
    return new Promise((resolve, reject) => {
      this.#submit(new PgCopyIn(this, text, { resolve, reject }))
    })
  }

  copyOut(text: string): Promise<DriverCopyOut> {
    return new Promise((resolve, reject) => {
      this.#submit(new PgCopyOut(this, text, { resolve, reject }))
    })
  }

  readyForQuery(status: string): void {
    if (this.state === 'over') return
    this.#described = false
    this.ready(statusOf(status.charCodeAt(0)))
    // Otherwise it ends a statement that was run on the client itself.
    if (this.#queue.current?.answered) this.#queue.answered(this.prepared.mayRepeat)
  }

  parseComplete(): void {
    this.#running?.handleParseComplete()
  }

  rowDescription(): void {
    this.#described = true
  }

  commandComplete(tag: string): void {
    const running = this.#running
    const returnsRows = this.#described || running?.returnsRows === true
    this.#described = false
    this.prepared.completed(tag, returnsRows, running !== undefined)
  }

  bindComplete(): void {
    const work = this.#running
    if (work !== undefined) work.bound = true
  }

  copyOutResponse(): void {
    this.#running?.handleCopyOutResponse()
  }

  errorResponse(error: Error): void {
    // `pg` reports an unknown message this way. What follows it cannot be trusted.
    if (!isServerError(error)) this.failed(toClosedError(error))
    else if (this.#running === undefined || error.severity !== 'ERROR') {
      this.refused(toDatabaseError(error, false))
    }
  }

  /**
   * Fails the running statement because the parser of `pg` could not read its answer. Returns
   * whether the session can go on, with the rest of the answer skipped and a new parser: not
   * without a statement, and not if another answer follows.
   */
  unreadable(cause: Error): boolean {
    const work = this.#running
    if (work?.handleUnreadable === undefined || work.answered || this.#queue.length > 1)
      return false
    work.handleUnreadable(cause, 'yes')
    return true
  }

  /** The unreadable answer is skipped. `refused` says that it ended with an ErrorResponse. */
  passedOver(cause: Error, refused: boolean): void {
    if (refused) this.#running?.handleUnreadable?.(cause, 'unknown')
  }

  unsent(work: SessionWork, error: Error): void {
    this.#queue.skip(work, () => {
      if (error instanceof TypeError) work.refuse(error)
      else work.lose(error)
    })
  }

  override async reset(level: ResetLevel): Promise<void> {
    // Listeners of this borrower would hear the notices of the next one.
    this.#lent?.restore()
    await super.reset(level)
  }

  protected override stop(): void {
    this.#queue.stop()
  }

  protected override sayGoodbye(): void {
    // Not `client.end()`, which would cut off a running statement. The server reads Terminate after
    // its answer.
    this.#client.connection.end()
  }

  protected override lose(reason: unknown): void {
    this.#queue.lose(reason)
  }

  /**
   * The work that was sent; undefined while it waits in `pg` behind a query on the client itself.
   */
  get #running(): SessionWork | undefined {
    const work = this.#queue.current
    return work?.sent ? work : undefined
  }

  #submit(work: SessionWork): void {
    if (this.state === 'open') this.#queue.add(work)
    else this.turnAway(work)
  }
}
