import type { Statement } from '@poolhouse/core'
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
  type LoginGuard,
  type LoginView,
  RowCursor,
  realTimers,
  type ServerSocket,
  SessionStatements,
  SocketConnection,
  toClosedError,
  valuesOf,
} from '@poolhouse/core/net'
import { CopyIn, CopyOut } from './copy.js'
import { CursorWork } from './cursor-work.js'
import { DescribeWork } from './describe-work.js'
import type { InstanceStart } from './instance-start.js'
import { lentSql } from './lent-sql.js'
import type { PostgresSql } from './postgres-module.js'
import { SessionLine } from './session-line.js'
import type { SessionWork } from './session-work.js'
import { statementPair } from './statement-pair.js'
import { StatementWork } from './statement-work.js'
import { declaredOf } from './wire/declared-types.js'
import type { RowShape } from './wire/row-shape.js'

const SMALL = 65_536

/** One session over a one-connection instance of postgres.js. Its `SessionLine` runs the work. */
export class PostgresConnection extends SocketConnection<RowShape> implements LoginView {
  readonly #line: SessionLine

  /** Attaches every listener that this session will ever have. */
  constructor(start: InstanceStart, context: ConnectContext, socket: ServerSocket) {
    super(socket, context.listener, new SessionStatements(context.statements))
    this.#line = new SessionLine(start, context, socket, this, this.prepared)
    socket.stream.on('error', (error: Error) => this.refused(toClosedError(error)))
  }

  get raw(): PostgresSql {
    return this.#line.instance.sql
  }

  lendRaw(holder: RawHolder): unknown {
    this.#line.holder = holder
    this.prepared.rawTaken()
    if (!this.resetIsDue) return lentSql(this.raw, holder)
    // Queries on `raw` wait for the reset: postgres.js would send them without its answer.
    const clean = new Promise<void>((resolve, reject) => {
      this.run({ text: '' }, (error) => (error === null ? resolve() : reject(error)))
    })
    clean.catch(() => undefined)
    return lentSql(this.raw, holder, clean)
  }

  get inFlight(): number {
    return this.#line.inFlight
  }

  transactionStatus(): TransactionStatus {
    // The owner of `raw` may run statements there.
    return this.#line.busy ? 'unknown' : this.status
  }

  /** Takes what the log-in guard leaves for postgres.js. */
  show(bytes: Buffer): void {
    this.#line.show(bytes)
  }

  /** Starts the log-in. `guard` is told if postgres.js gives up. */
  start(guard: LoginGuard): void {
    this.#line.start(guard)
  }

  override abandon(): void {
    super.abandon()
    this.#line.lose('it was never opened')
  }

  run(statement: Statement, done: Done): void {
    const declared = declaredOf(statement)
    if (declared?.describe !== undefined) {
      this.#submit(new DescribeWork(this.#line, statement, declared, done))
      return
    }
    const piggyback = piggybackOf(statement)
    let work: StatementWork
    let piggybacked: StatementWork | undefined
    try {
      const values = valuesOf(statement)
      const alone = (): StatementWork => new StatementWork(this.#line, statement, values, done)
      // Not in the simple protocol: the text may hold several statements, or start a COPY, which
      // would swallow the piggybacked statement.
      const single = statement.name !== undefined || values !== undefined
      const piggybackValues = piggyback && valuesOf(piggyback.statement)
      if (piggyback !== undefined && single && isSmall(piggybackValues)) {
        const parts = { statement, values, piggyback, piggybackValues }
        const again = (): void => this.#submit(alone())
        const pair = statementPair(this.#line, parts, again, done)
        work = pair.first
        piggybacked = pair.second
      } else work = alone()
    } catch (error) {
      realTimers.nextTick(done, error as Error)
      return
    }
    this.#submit(work)
    if (piggybacked !== undefined) this.#submit(piggybacked)
  }

  openCursor(statement: Statement): DriverCursor {
    return new RowCursor((count, ends) => {
      const values = valuesOf(statement)
      const work = new CursorWork(this.#line, statement, values, count, ends)
      this.#submit(work)
      return work
    })
  }

  copyIn(text: string): Promise<DriverCopyIn> {
    return new Promise((resolve, reject) => {
      this.#submit(new CopyIn(this.#line, text, { resolve, reject }))
    })
  }

  copyOut(text: string): Promise<DriverCopyOut> {
    return new Promise((resolve, reject) => {
      this.#submit(new CopyOut(this.#line, text, { resolve, reject }))
    })
  }

  override async reset(level: ResetLevel): Promise<void> {
    // The owner of `raw` may have cancelled a query, and that must not hit the next borrower's.
    await this.#line.uncancelled()
    await super.reset(level)
  }

  protected override stop(): void {
    this.#line.stop()
  }

  protected override sayGoodbye(): void {
    // Not `sql.end()`, which waits for its own queries for ever, and ignores those of the pool.
    this.#line.leave()
  }

  protected override lose(reason: unknown): void {
    this.#line.lose(reason)
  }

  #submit(work: SessionWork): void {
    if (this.state === 'open') this.#line.add(work)
    else this.turnAway(work)
  }
}

/**
 * Whether postgres.js can certainly serialise a piggybacked statement. If it fails at that, it also
 * rejects the statement before it.
 */
function isSmall(values: readonly (string | null)[] | undefined): boolean {
  let length = 0
  for (const value of values ?? []) length += 4 + (value?.length ?? 0)
  return length < SMALL
}
