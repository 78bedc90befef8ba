import type { Statement } from '../../api/statement.js'
import type { WireValue } from '../../types/encode-values.js'
import { CLOSE_PORTAL, copyFail, executeAndFlush, FROM_SERVER, SYNC } from '../frames/messages.js'
import type { ServerError } from '../frames/server-error.js'
import type { CursorEnds, CursorStatement } from './row-cursor.js'
import { StatementWork } from './statement-work.js'
import type { WireHost } from './wire-work.js'

/**
 * A statement that fetches some rows at a time. Its messages end with Flush, so that the server
 * suspends the portal and keeps the transaction open. A single Sync, which ReadyForQuery answers,
 * is sent after the last row, after an error, or when the reader wants no more rows.
 */
export class CursorWork extends StatementWork implements CursorStatement {
  readonly #suspended: CursorEnds['suspended']
  readonly #count: number
  #synced = false

  /** `count` is the number of rows to fetch first. */
  constructor(
    host: WireHost,
    statement: Statement,
    values: readonly WireValue[] | undefined,
    count: number,
    { suspended, done }: CursorEnds,
  ) {
    super(host, statement, values, done)
    this.#suspended = suspended
    this.#count = count
  }

  override messages(): Buffer {
    this.#synced = false
    return this.extendedMessages('flush', this.#count)
  }

  /** Fetches more rows. Call it only while the portal is suspended. */
  fetch(count: number): void {
    this.host.send(executeAndFlush(count))
  }

  /** Closes the portal. Call it only while it is suspended. */
  finish(): void {
    // Sync alone closes it only outside of a transaction; inside, the portal would keep its
    // snapshot and its locks.
    this.isAnswered = true
    this.#sync(CLOSE_PORTAL)
  }

  override take(kind: number, buffer: Buffer, from: number, to: number): void {
    if (kind === FROM_SERVER.portalSuspended) {
      if (this.failure === undefined) this.#suspended(this.takeRows())
      else this.finish()
      return
    }
    super.take(kind, buffer, from, to)
    if (kind === FROM_SERVER.emptyQuery) this.#sync(SYNC)
  }

  override takeError(buffer: Buffer, from: number, to: number): ServerError {
    const refusal = super.takeError(buffer, from, to)
    // The severity may be missing or in another language; only these two are certain to be no
    // ERROR.
    if (refusal.severity !== 'FATAL' && refusal.severity !== 'PANIC') this.#sync(SYNC)
    return refusal
  }

  protected override get extended(): boolean {
    return true
  }

  protected override completed(tag: string): void {
    super.completed(tag)
    this.#sync(SYNC)
  }

  protected override refuseCopy(): void {
    this.host.send(copyFail('COPY FROM STDIN cannot be read from; use copyFrom'))
  }

  #sync(messages: Buffer): void {
    // Only once: an error after it, such as that of a deferred constraint, needs no other Sync.
    if (this.#synced) return
    this.#synced = true
    this.host.send(messages)
  }
}
