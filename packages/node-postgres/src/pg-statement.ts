import { type DatabaseError, PoolhouseError, type Statement } from '@poolhouse/core'
import {
  commandOf,
  countOf,
  type Done,
  foreignNameError,
  isForeign,
  isServerError,
  markIfStale,
  type NamedStatement,
} from '@poolhouse/core/net'
import type { PgField, PgWire } from './pg-module.js'
import { RowShape } from './row-shape.js'
import { errorOfAnswer, errorOfLoss, type SessionWork, type WorkHost } from './session-work.js'

/**
 * One statement on its way through a `pg.Client`. It replaces `pg`'s own `Query`, which copies its
 * configuration, is an event emitter and reports a failure at ErrorResponse. This one only
 * collects; its connection settles it at ReadyForQuery.
 *
 * Of a text with several statements it keeps the result of the last, as psql does.
 */
export class PgStatement implements SessionWork {
  /** SQL; `pg` notes it as the text of `name` when the server has parsed it. */
  readonly text: string
  /**
   * Name that the caller gave, if it runs as a prepared statement; otherwise empty. `pg` need not
   * know of the names that we give.
   */
  name = ''
  sent = false
  answered = false
  bound = false
  /** What the server, or a type parser, said against it. */
  protected error: Error | undefined
  readonly #host: WorkHost
  readonly #statement: Statement
  readonly #values: readonly (string | null)[] | undefined
  readonly #done: Done
  /** What it runs as, and whether the server held that when it was sent. */
  #prepared: NamedStatement<RowShape> | undefined
  #known = false
  #repeated = false
  /** What the server said may come from a Parse of long ago. */
  #stale = false
  /** Another client of the server session has prepared a statement under the caller's name. */
  #foreign = false
  #rows: unknown[] = []
  #rowCount: number | null = null
  #command = ''
  #complete = false
  #shape: RowShape = RowShape.none

  /** Takes values that are ready for the wire. */
  constructor(
    host: WorkHost,
    statement: Statement,
    values: readonly (string | null)[] | undefined,
    done: Done,
  ) {
    this.#host = host
    this.text = statement.text
    this.#statement = statement
    this.#done = done
    this.#values = values
  }

  get returnsRows(): boolean {
    return this.#known && this.#shape !== RowShape.none
  }

  /**
   * Called by `pg` when it is this statement's turn. An error that is returned comes back through
   * `handleError`.
   */
  submit(wire: PgWire): Error | null {
    // The peer is gone and the end of the session is on its way; `pg` would drop the message in
    // silence.
    if (!wire.stream.writable) return null
    try {
      this.#prepared = this.#host.prepared.choose(this.#statement, this.#values)
    } catch (refusal) {
      return refusal as Error
    }
    this.sent = true
    this.error = undefined
    wire.stream.cork()
    try {
      this.start(wire)
    } catch (error) {
      // A message that does not fit into memory: part of it may be out, so that the session cannot
      // go on.
      wire.stream.destroy(error as Error)
    }
    wire.stream.uncork()
    return null
  }

  handleRowDescription(message: { fields: readonly PgField[] }): void {
    this.#rows = []
    this.#complete = false
    this.#shape = new RowShape(message.fields, this.#host.types)
  }

  handleDataRow(message: { fields: readonly (string | null)[] }): void {
    if (this.error !== undefined) return
    const values = message.fields
    try {
      // Better no row than one read with the columns of another.
      if (values.length !== this.#shape.fields.length)
        throw new Error('its columns are not the ones described')
      const asArray = this.#statement.rowMode === 'array'
      this.#rows.push(asArray ? this.#shape.toArray(values) : this.#shape.toObject(values))
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause)
      this.error = new PoolhouseError(`a row of the result cannot be read: ${why}`, {
        executed: 'yes',
        cause,
      })
    }
  }

  handleUnreadable(cause: Error, executed: 'yes' | 'unknown'): void {
    const message = `a row of the result cannot be read: ${cause.message}`
    this.error = new PoolhouseError(message, { executed, cause })
  }

  handleCommandComplete(message: { text: string }, _wire: PgWire): void {
    if (this.#complete) {
      this.#rows = []
      this.#shape = RowShape.none
    }
    this.#complete = true
    this.#rowCount = countOf(message.text)
    this.#command = commandOf(message.text)
  }

  handleError(error: Error, _wire: PgWire): void {
    if (!this.sent) {
      this.#host.unsent(this, error)
      return
    }
    this.error = error
    this.answered = true
  }

  handleCopyInResponse(wire: PgWire): void {
    wire.sendCopyFail('COPY FROM STDIN needs a source; use copyFrom')
    // In the extended protocol the server took the Sync that followed as part of the COPY, and
    // ignored it.
    if (this.#extended) wire.sync()
  }

  handleParseComplete(): void {
    if (this.#prepared !== undefined) this.#host.prepared.parsed(this.#prepared)
  }

  handleReadyForQuery(): void {
    this.answered = true
  }

  handleEmptyQuery(_wire: PgWire): void {}
  handleCopyData(): void {}
  handleCopyOutResponse(): void {}
  handlePortalSuspended(_wire: PgWire): void {}

  // Yes, once, if it may have failed only because its prepared form was lost or out of date. In a
  // transaction, that ended it.
  wantsRepeat(idle: boolean): boolean {
    const { error } = this
    const statement = this.#prepared
    // After BindComplete the error comes from within, and a procedure may have committed before it.
    if (statement === undefined || this.bound || !isServerError(error)) return false
    this.#stale = this.#host.prepared.refused(statement, this.#known, error)
    this.#foreign = !this.#stale && !this.#known && isForeign(error)
    if (!this.#stale || !idle || this.#repeated) return false
    this.#repeated = true
    this.sent = false
    this.answered = false
    return true
  }

  settle(): void {
    if (this.error !== undefined) {
      this.#done(this.#errorOf(errorOfAnswer(this.error)))
      return
    }
    if (this.#prepared !== undefined) this.#prepared.shape = this.#shape
    this.#done(null, {
      rows: this.#rows,
      rowCount: this.#rowCount,
      command: this.#command,
      fields: this.#shape.fields,
    })
  }

  lose(reason: unknown): void {
    this.#done(errorOfLoss(this.error, reason, this.sent))
  }

  refuse(error: Error): void {
    this.#done(error)
  }

  /** Sends it. */
  protected start(wire: PgWire): void {
    if (!this.#extended) {
      wire.query(this.text)
      return
    }
    this.bind(wire)
    wire.execute({ portal: '', rows: 0 })
    wire.sync()
  }

  /** Sends what makes the unnamed portal, and asks for its columns if they are not known. */
  protected bind(wire: PgWire): void {
    const statement = this.#prepared
    const name = statement?.name ?? ''
    this.#known = statement?.state === 'known'
    if (!this.#known) this.#parse(wire, statement)
    wire.bind({ portal: '', statement: name, values: this.#values ?? [], binary: false })
    const shape = this.#known ? statement!.shape : undefined
    if (shape === undefined) wire.describe({ type: 'P', name: '' })
    else this.#shape = shape
  }

  /** The rows that have come, which are forgotten here. */
  protected takeRows(): unknown[] {
    const rows = this.#rows
    this.#rows = []
    return rows
  }

  #parse(wire: PgWire, statement: NamedStatement<RowShape> | undefined): void {
    const { text } = this
    if (statement === undefined) {
      this.name = ''
      wire.parse({ name: '', text })
      return
    }
    const { name, automatic } = statement
    this.#host.prepared.parse(statement)
    for (const over of this.#host.prepared.takeClosing()) wire.close({ type: 'S', name: over })
    wire.parse({ name, text })
    this.name = automatic ? '' : name
    if (!automatic) wire.submittedNamedStatements[name] = text
  }

  #errorOf(error: Error): Error {
    if (this.#stale) markIfStale(error)
    return this.#foreign ? foreignNameError(this.name, error as DatabaseError) : error
  }

  get #extended(): boolean {
    return this.#statement.name !== undefined || this.#values !== undefined
  }
}
