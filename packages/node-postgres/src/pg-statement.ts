import { type DatabaseError, PoolhouseError, type Statement } from '@poolhouse/core'
import { messageOf } from '@poolhouse/core/kit'
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
import type { WireValue } from '@poolhouse/core/types'
import type { PgField, PgWire } from './pg-module.js'
import { RowShape } from './row-shape.js'
import { errorOfAnswer, errorOfLoss, type SessionWork, type WorkHost } from './session-work.js'

/**
 * One statement on its way through a `pg.Client`. It replaces `pg.Query`, which copies its
 * configuration, is an event emitter and reports a failure at ErrorResponse. This class only
 * collects the answer; the connection settles it at ReadyForQuery.
 *
 * For a text with several statements it keeps the result of the last one, as psql does.
 */
export class PgStatement implements SessionWork {
  /** SQL. `pg` stores it as the text of `name` once the server has parsed it. */
  readonly text: string
  /** The caller's name of the prepared statement; empty for automatic names, which `pg` ignores. */
  name = ''
  sent = false
  answered = false
  bound = false
  /** The error of the server or of a type parser. */
  protected error: Error | undefined
  readonly #host: WorkHost
  readonly #statement: Statement
  readonly #values: readonly WireValue[] | undefined
  readonly #done: Done
  /** The prepared statement that it uses, and whether the server had it when this was sent. */
  #prepared: NamedStatement<RowShape> | undefined
  #known = false
  #repeated = false
  /** Whether the error may come from an outdated prepared statement. */
  #stale = false
  /** Whether another client of the server session has prepared a statement under this name. */
  #foreign = false
  #rows: unknown[] = []
  #rowCount: number | null = null
  #command = ''
  #complete = false
  #shape: RowShape = RowShape.none

  /** Takes values in wire form. */
  constructor(
    host: WorkHost,
    statement: Statement,
    values: readonly WireValue[] | undefined,
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
   * Called by `pg` when it is this statement's turn. `pg` passes a returned error to `handleError`.
   */
  submit(wire: PgWire): Error | null {
    // The peer is gone, and the end of the session follows. `pg` would drop the message silently.
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
      // The message did not fit into memory. Part of it may have been sent, so the session must
      // end.
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
      // Never read a row with the columns of another result.
      if (values.length !== this.#shape.fields.length)
        throw new Error('its columns are not the ones described')
      const { rowMode, undecoded } = this.#statement
      if (undecoded) this.#rows.push(values)
      else if (rowMode === 'array') this.#rows.push(this.#shape.toArray(values))
      else this.#rows.push(this.#shape.toObject(values))
    } catch (cause) {
      const why = messageOf(cause)
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

  handleError(error: Error, wire: PgWire): void {
    // `pg` before 8.23 does not keep this list.
    if (this.name !== '') delete wire.submittedNamedStatements[this.name]
    if (!this.sent) {
      this.#host.unsent(this, error)
      return
    }
    this.error = error
    this.answered = true
  }

  handleCopyInResponse(wire: PgWire): void {
    wire.sendCopyFail('COPY FROM STDIN needs a source; use copyFrom')
    // In the extended protocol the server has ignored the Sync, which came during the COPY.
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

  /** Once, if it may have failed only because its prepared statement was lost or outdated. */
  wantsRepeat(idle: boolean): boolean {
    const { error } = this
    const statement = this.#prepared
    // After BindComplete it may have been executed in part: a procedure may have committed.
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

  protected start(wire: PgWire): void {
    if (!this.#extended) {
      wire.query(this.text)
      return
    }
    this.bind(wire)
    wire.execute({ portal: '', rows: 0 })
    wire.sync()
  }

  /** Sends the messages that make the unnamed portal, with Describe if its columns are unknown. */
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

  /** Returns the rows received so far, and forgets them. */
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
