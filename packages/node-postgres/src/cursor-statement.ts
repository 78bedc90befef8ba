import type { Statement } from '@poolhouse/core'
import {
  type CursorEnds,
  type CursorStatement as FetchedStatement,
  isServerError,
} from '@poolhouse/core/net'
import type { WireValue } from '@poolhouse/core/types'
import type { PgWire } from './pg-module.js'
import { PgStatement } from './pg-statement.js'
import type { WorkHost } from './session-work.js'

/**
 * A statement that fetches some rows at a time. Its messages end with Flush, so that the server
 * suspends the portal and keeps the transaction open. A single Sync, which ReadyForQuery answers,
 * is sent after the last row, after an error, or when the reader wants no more rows.
 *
 * It takes the place of `pg-cursor`, which settles at ErrorResponse.
 */
export class CursorStatement extends PgStatement implements FetchedStatement {
  readonly #suspended: CursorEnds['suspended']
  #count: number
  #wire: PgWire | undefined
  #synced = false

  /** `count` is the number of rows to fetch first. */
  constructor(
    host: WorkHost,
    statement: Statement,
    values: readonly WireValue[] | undefined,
    count: number,
    { suspended, done }: CursorEnds,
  ) {
    super(host, statement, values, done)
    this.#suspended = suspended
    this.#count = count
  }

  /** Fetches more rows. Call it only while the portal is suspended. */
  fetch(count: number): void {
    this.#wire?.execute({ portal: '', rows: count })
    this.#wire?.flush()
  }

  /** Closes the portal. Call it only while it is suspended. */
  finish(): void {
    if (this.#wire === undefined) return
    // Sync alone closes it only outside of a transaction; inside, the portal would keep its
    // snapshot and its locks.
    this.#wire.close({ type: 'P', name: '' })
    this.#sync(this.#wire)
  }

  override handlePortalSuspended(_wire: PgWire): void {
    if (this.error === undefined) this.#suspended(this.takeRows())
    else this.finish()
  }

  override handleCommandComplete(message: { text: string }, wire: PgWire): void {
    super.handleCommandComplete(message, wire)
    this.#sync(wire)
  }

  override handleEmptyQuery(wire: PgWire): void {
    this.#sync(wire)
  }

  override handleError(error: Error, wire: PgWire): void {
    super.handleError(error, wire)
    if (this.sent && isServerError(error)) this.#sync(wire)
  }

  override handleUnreadable(cause: Error, executed: 'yes' | 'unknown'): void {
    super.handleUnreadable(cause, executed)
    if (this.#wire !== undefined) this.#sync(this.#wire)
  }

  override handleCopyInResponse(wire: PgWire): void {
    wire.sendCopyFail('COPY FROM STDIN cannot be read from; use copyFrom')
  }

  protected override start(wire: PgWire): void {
    this.#wire = wire
    this.#synced = false
    this.bind(wire)
    this.fetch(this.#count)
  }

  #sync(wire: PgWire): void {
    // Only once: an error after it, such as that of a deferred constraint, needs no other Sync.
    if (this.#synced) return
    this.#synced = true
    wire.sync()
  }
}
