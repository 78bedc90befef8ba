import { PoolhouseError, type QueryResult, type Statement } from '@poolhouse/core'
import { isServerError, toDatabaseError, toLostError } from './errors.js'
import type { PgClient, PgField, PgSubmittable, PgWire } from './pg-module.js'
import type { PreparedStatements } from './prepared-statements.js'
import { RowShape } from './row-shape.js'

/** How a statement's caller learns of its end. */
export type Done = (error: Error | null, result?: QueryResult<unknown>) => void

/** A value as it goes over the wire. */
export type WireValue = string | Buffer | null

/** What a statement needs of its connection. */
export interface StatementHost {
  readonly raw: PgClient
  readonly prepared: PreparedStatements
  /** `pg` refused to send the statement: no ReadyForQuery will come. */
  unsent(statement: PgStatement, error: Error): void
}

// NAMEDATALEN of the server is 64, with the zero at the end.
const LONGEST_NAME = 63

/**
 * One statement on its way through a `pg.Client`. It replaces `pg`'s own `Query`, which copies its configuration, is an event
 * emitter and reports a failure at ErrorResponse. This one only collects; its connection settles it at ReadyForQuery.
 *
 * Of a text with several statements it keeps the result of the last, as psql does.
 */
export class PgStatement implements PgSubmittable {
  /** SQL; `pg` notes it as the text of `name` when the server has parsed it. */
  readonly text: string
  /** Name of the prepared statement, or empty. */
  readonly name: string
  /** The caller. */
  readonly done: Done
  /** Whether the server may have received it. */
  sent = false
  /** Whether `pg` has handed over the answer; what is left to come is ReadyForQuery, or this is it. */
  answered = false
  /** Whether the server has bound it: from here on it may have executed a part of it, whatever it says later. */
  bound = false
  /** What the server, or a type parser, said against it. */
  error: Error | undefined
  readonly #host: StatementHost
  readonly #values: readonly WireValue[] | undefined
  readonly #asArray: boolean
  #repeated = false
  #rows: unknown[] = []
  #rowCount: number | null = null
  #command = ''
  #complete = false
  #shape: RowShape = RowShape.none
  #parsers: ((value: string) => unknown)[] = []

  /** Takes the name to run under, empty for none, and values that are ready for the wire. */
  constructor(
    host: StatementHost,
    statement: Statement,
    name: string,
    values: readonly WireValue[] | undefined,
    done: Done,
  ) {
    this.#host = host
    this.text = statement.text
    this.name = name
    this.done = done
    this.#values = values
    this.#asArray = statement.rowMode === 'array'
  }

  /** Called by `pg` when it is this statement's turn. An error that is returned comes back through `handleError`. */
  submit(wire: PgWire): Error | null {
    const { name, text } = this
    const { prepared } = this.#host
    const known = name === '' ? undefined : prepared.textOf(name)
    if (known !== undefined && known !== text) {
      return new TypeError(
        `statement name "${name}" was used for another text on this connection; one name must always carry the same text`,
      )
    }
    if (known === undefined && Buffer.byteLength(name) > LONGEST_NAME) {
      return new TypeError(
        `statement name "${name}" is longer than ${LONGEST_NAME} bytes, where PostgreSQL would cut it off`,
      )
    }
    // The peer is gone and the end of the session is on its way; `pg` would drop the message in silence.
    if (!wire.stream.writable) return null
    this.sent = true
    wire.stream.cork()
    try {
      if (name === '' && this.#values === undefined) wire.query(text)
      else this.#submitExtended(wire, known !== undefined)
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
    this.#take(new RowShape(message.fields))
  }

  handleDataRow(message: { fields: readonly (string | null)[] }): void {
    if (this.error !== undefined) return
    const values = message.fields
    try {
      // Better no row than one read with the columns of another.
      if (values.length !== this.#parsers.length)
        throw new Error('its columns are not the ones described')
      this.#rows.push(
        this.#asArray
          ? this.#shape.toArray(values, this.#parsers)
          : this.#shape.toObject(values, this.#parsers),
      )
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause)
      this.error = new PoolhouseError(`a row of the result cannot be read: ${why}`, {
        executed: 'yes',
        cause,
      })
    }
  }

  handleCommandComplete(message: { text: string }): void {
    if (this.#complete) {
      this.#rows = []
      this.#shape = RowShape.none
    }
    this.#complete = true
    const { text } = message
    this.#rowCount = null
    this.#command = text
    if (!isDigit(text.charCodeAt(text.length - 1))) return
    const space = text.lastIndexOf(' ')
    this.#rowCount = Number(text.slice(space + 1))
    // `INSERT 0 5`: the zero was an OID once.
    const end = isDigit(text.charCodeAt(space - 1)) ? text.lastIndexOf(' ', space - 1) : space
    this.#command = text.slice(0, end)
  }

  handleError(error: Error): void {
    if (!this.sent) {
      this.#host.unsent(this, error)
      return
    }
    this.error = error
    this.answered = true
  }

  handleCopyInResponse(wire: PgWire): void {
    wire.sendCopyFail('COPY FROM STDIN needs a source; use copyFrom')
  }

  handleReadyForQuery(): void {
    this.answered = true
  }

  handleEmptyQuery(): void {}
  handleCopyData(): void {}
  handlePortalSuspended(): void {}

  /**
   * Whether the statement failed only because its prepared form was lost or out of date; if so it is ready to be sent anew,
   * once. `idle` says that the session is in no transaction, which the failure would have ended.
   */
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

  /** Settles the caller. To be called at ReadyForQuery, once. */
  settle(): void {
    const { error } = this
    if (error !== undefined) {
      this.done(isServerError(error) ? toDatabaseError(error, true) : error)
      return
    }
    if (this.name !== '') this.#host.prepared.learn(this.name, this.text, this.#shape)
    this.done(null, {
      rows: this.#rows,
      rowCount: this.#rowCount,
      command: this.#command,
      fields: this.#shape.fields,
    })
  }

  /** Settles the caller when the session ended first. */
  lose(reason: unknown): void {
    const { error } = this
    // The server had already refused it: the statement was undone, whatever became of the session.
    if (isServerError(error) && error.severity === 'ERROR') this.done(toDatabaseError(error, false))
    else {
      const last = isServerError(error) ? toDatabaseError(error, false) : reason
      this.done(toLostError(last, this.sent ? 'unknown' : 'no'))
    }
  }

  #submitExtended(wire: PgWire, known: boolean): void {
    const { name, text } = this
    const { prepared } = this.#host
    if (name === '') wire.parse({ name, text })
    else if (!known) prepared.prepare(name, text)
    wire.bind({ portal: '', statement: name, values: this.#values ?? [], binary: false })
    const shape = known ? prepared.shapeOf(name) : undefined
    if (shape === undefined) wire.describe({ type: 'P', name: '' })
    else this.#take(shape)
    wire.execute({ portal: '', rows: 0 })
    wire.sync()
  }

  #take(shape: RowShape): void {
    this.#shape = shape
    this.#parsers = shape.parsers(this.#host.raw)
  }
}

function isDigit(code: number): boolean {
  return code >= 48 && code <= 57
}
