import type { Statement } from '@poolhouse/core'
import type { CursorEnds, CursorStatement, ServerError } from '@poolhouse/core/net'
import { CLOSE_PORTAL, copyFail, executeAndFlush, FROM_SERVER, SYNC } from './messages.js'
import type { WorkHost } from './session-work.js'
import { StatementWork } from './statement-work.js'

/**
 * A statement that is executed some rows at a time. What is sent ends with Flush, so that the
 * server suspends the portal and keeps the transaction around it open; the one Sync, to which
 * ReadyForQuery is the answer, is sent when the rows are at their end, when the server has refused
 * the statement, or when nobody wants the rest.
 *
 * It takes the place of postgres.js's own cursors, which keep the rest of the rows of a loop that
 * was left, and lose what their parsers throw.
 */
export class CursorWork extends StatementWork implements CursorStatement {
  readonly #suspended: CursorEnds['suspended']
  readonly #count: number
  #synced = false

  /** `count` is how many rows to fetch first; otherwise as a statement. */
  constructor(
    host: WorkHost,
    statement: Statement,
    values: readonly (string | null)[] | undefined,
    count: number,
    { suspended, done }: CursorEnds,
  ) {
    super(host, statement, values, done)
    this.#suspended = suspended
    this.#count = count
  }

  protected override get rowsAtFirst(): number {
    return this.#count
  }

  override submit(canClose: boolean): ReturnType<StatementWork['submit']> {
    this.#synced = false
    return super.submit(canClose)
  }

  /** Fetches more rows. To be called while it is suspended. */
  fetch(count: number): void {
    this.host.send(executeAndFlush(count))
  }

  /** Gives up the rows that are left. To be called while it is suspended. */
  finish(): void {
    // Outside a transaction Sync does the same; inside one the portal would keep its snapshot and
    // its locks.
    this.#sync(CLOSE_PORTAL)
  }

  override take(kind: number, buffer: Buffer, from: number, to: number): void {
    if (kind === FROM_SERVER.portalSuspended) {
      if (this.failure === undefined) this.#suspended(this.takeRows())
      else this.finish()
    } else if (kind === FROM_SERVER.emptyQuery) this.#sync()
    else super.take(kind, buffer, from, to)
  }

  override takeError(buffer: Buffer, from: number, to: number): ServerError {
    const refusal = super.takeError(buffer, from, to)
    // The word may be missing, or one of another language: only those that end the session are
    // certain to be no ERROR.
    if (refusal.severity !== 'FATAL' && refusal.severity !== 'PANIC') this.#sync()
    return refusal
  }

  protected override completed(tag: string): void {
    super.completed(tag)
    this.#sync()
  }

  protected override refuseCopy(): void {
    this.host.send(copyFail('COPY FROM STDIN cannot be read from; use copyFrom'))
  }

  #sync(...before: readonly Buffer[]): void {
    // An error that comes after it, from a deferred constraint, is followed by ReadyForQuery by
    // itself.
    if (this.#synced) return
    this.#synced = true
    this.host.send(...before, SYNC)
  }
}
