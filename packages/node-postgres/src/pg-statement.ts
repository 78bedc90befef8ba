import { PoolhouseError, type Statement } from '@poolhouse/core'
import { commandOf, countOf, type Done, isServerError, refusalOfName } from '@poolhouse/core/net'
import type { PgField, PgWire } from './pg-module.js'
import { RowShape } from './row-shape.js'
import { errorOfAnswer, errorOfLoss, type SessionWork, type WorkHost } from './session-work.js'

/**
 * One statement on its way through a `pg.Client`. It replaces `pg`'s own `Query`, which copies its configuration, is an event
 * emitter and reports a failure at ErrorResponse. This one only collects; its connection settles it at ReadyForQuery.
 *
 * Of a text with several statements it keeps the result of the last, as psql does.
 */
export class PgStatement implements SessionWork {
  /** SQL; `pg` notes it as the text of `name` when the server has parsed it. */
  readonly text: string
  /** Name of the prepared statement, or empty. */
  readonly name: string
  sent = false
  answered = false
  bound = false
  /** What the server, or a type parser, said against it. */
  protected error: Error | undefined
  readonly #host: WorkHost
  readonly #values: readonly (string | null)[] | undefined
  readonly #asArray: boolean
  readonly #done: Done
  #repeated = false
  #rows: unknown[] = []
  #rowCount: number | null = null
  #command = ''
  #complete = false
  #shape: RowShape = RowShape.none

  /** Takes the name to run under, empty for none, and values that are ready for the wire. */
  constructor(
    host: WorkHost,
    statement: Statement,
    name: string,
    values: readonly (string | null)[] | undefined,
    done: Done,
  ) {
    this.#host = host
    this.text = statement.text
    this.name = name
    this.#done = done
    this.#values = values
    this.#asArray = statement.rowMode === 'array'
  }

  /** Called by `pg` when it is this statement's turn. An error that is returned comes back through `handleError`. */
  submit(wire: PgWire): Error | null {
    const { name, text } = this
    const { prepared } = this.#host
    const known = name === '' ? undefined : prepared.textOf(name)
    const refusal = name === '' ? undefined : refusalOfName(name, text, known)
    if (refusal !== undefined) return refusal
    // The peer is gone and the end of the session is on its way; `pg` would drop the message in silence.
    if (!wire.stream.writable) return null
    this.sent = true
    wire.stream.cork()
    try {
      this.start(wire, known !== undefined)
    } catch (error) {
      // A message that does not fit into memory: part of it may be out, so that the session cannot go on.
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
      this.#rows.push(this.#asArray ? this.#shape.toArray(values) : this.#shape.toObject(values))
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause)
      this.error = new PoolhouseError(`a row of the result cannot be read: ${why}`, {
        executed: 'yes',
        cause,
      })
    }
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
    // In the extended protocol the server took the Sync that followed as part of the COPY, and ignored it.
    if (this.#extended) wire.sync()
  }

  handleReadyForQuery(): void {
    this.answered = true
  }

  handleEmptyQuery(_wire: PgWire): void {}
  handleCopyData(): void {}
  handleCopyOutResponse(): void {}
  handlePortalSuspended(_wire: PgWire): void {}

  // Yes, once, if it failed only because its prepared form was lost or out of date. In a transaction, that ended it.
  wantsRepeat(idle: boolean): boolean {
    const { error } = this
    // After BindComplete the error comes from within, and a procedure may have committed before it.
    if (this.name === '' || this.bound || !isServerError(error)) return false
    if (!this.#host.prepared.forgetIfStale(this.name, error) || !idle || this.#repeated)
      return false
    this.#repeated = true
    this.sent = false
    this.answered = false
    this.error = undefined
    return true
  }

  settle(): void {
    if (this.error !== undefined) {
      this.#done(errorOfAnswer(this.error))
      return
    }
    if (this.name !== '') this.#host.prepared.learn(this.name, this.text, this.#shape)
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

  /** Sends it. `known` says that the server has the named statement already. */
  protected start(wire: PgWire, known: boolean): void {
    if (!this.#extended) {
      wire.query(this.text)
      return
    }
    this.bind(wire, known)
    wire.execute({ portal: '', rows: 0 })
    wire.sync()
  }

  /** Sends what makes the unnamed portal, and asks for its columns if they are not known. */
  protected bind(wire: PgWire, known: boolean): void {
    const { name, text } = this
    const { prepared } = this.#host
    if (name === '') wire.parse({ name, text })
    else if (!known) prepared.prepare(name, text)
    wire.bind({ portal: '', statement: name, values: this.#values ?? [], binary: false })
    const shape = known ? prepared.shapeOf(name) : undefined
    if (shape === undefined) wire.describe({ type: 'P', name: '' })
    else this.#shape = shape
  }

  /** The rows that have come, which are forgotten here. */
  protected takeRows(): unknown[] {
    const rows = this.#rows
    this.#rows = []
    return rows
  }

  get #extended(): boolean {
    return this.name !== '' || this.#values !== undefined
  }
}
