import { PoolhouseError, type Statement } from '@poolhouse/core'
import { commandOf, countOf, type Done, readRowDescription } from '@poolhouse/core/net'
import { copyFail, FROM_SERVER, SYNC } from './messages.js'
import { RowShape } from './row-shape.js'
import { SessionWork, tagOf, type WorkHost } from './session-work.js'
import { Submission } from './submission.js'

/** How the name of a statement that came without one is found; empty for none. Called when it is sent. */
export type FindName = (text: string) => string

/** One statement. Of a text with several commands it keeps the result of the last, as psql does. */
export class StatementWork extends SessionWork {
  /** What a row that cannot be read, by its parser's fault, makes of the statement. */
  protected failure: PoolhouseError | undefined
  readonly #statement: Statement
  readonly #values: readonly (string | null)[] | undefined
  readonly #findName: FindName | undefined
  readonly #done: Done
  readonly #asArray: boolean
  /** Name given by the caller or found. */
  #name = ''
  /** Name on the server. */
  #serverName = ''
  #repeated = false
  #rows: unknown[] = []
  #rowCount: number | null = null
  #command = ''
  #complete = false
  #shape: RowShape = RowShape.none

  /** Takes values that are ready for the wire, undefined for none. */
  constructor(
    host: WorkHost,
    statement: Statement,
    values: readonly (string | null)[] | undefined,
    findName: FindName | undefined,
    done: Done,
  ) {
    super(host)
    this.#statement = statement
    this.#values = values
    this.#findName = findName
    this.#done = done
    this.#asArray = statement.rowMode === 'array'
  }

  /** Rows to ask for first; undefined for all. */
  protected get rowsAtFirst(): number | undefined {
    return undefined
  }

  protected override prepare(canClose: boolean): Submission {
    const { prepared } = this.host
    const { text } = this.#statement
    const extended = this.#values !== undefined || this.rowsAtFirst !== undefined
    if (!this.#repeated) {
      this.#name = this.#statement.name ?? (this.#values && this.#findName?.(text)) ?? ''
      if (this.#name !== '') this.#serverName = prepared.nameFor(this.#name, text)
    }
    const shape = this.#serverName === '' ? undefined : prepared.shapeOf(this.#serverName)
    // A name that the server is still to forget cannot be made anew while others use the session.
    if (shape === undefined && prepared.hasClosing && !canClose) this.#serverName = ''
    this.#shape = shape ?? RowShape.none
    this.failure = undefined
    return new Submission(this, {
      text,
      values: this.#values ?? (extended || this.#name !== '' ? NO_VALUES : undefined),
      name: this.#serverName,
      known: shape !== undefined,
      rows: this.rowsAtFirst,
    })
  }

  override take(kind: number, buffer: Buffer, from: number, to: number): void {
    switch (kind) {
      case FROM_SERVER.dataRow:
        this.#row(buffer, from)
        break
      case FROM_SERVER.rowDescription:
        this.#rows = []
        this.#complete = false
        this.#described(
          new RowShape(readRowDescription(buffer.subarray(from + 5, to)), this.host.types),
        )
        break
      case FROM_SERVER.noData:
        this.#described(RowShape.none)
        break
      case FROM_SERVER.bindComplete:
        this.bound = true
        break
      case FROM_SERVER.commandComplete:
        this.completed(tagOf(buffer, from, to))
        break
      case FROM_SERVER.copyInResponse:
        this.refuseCopy()
    }
  }

  override wantsRepeat(idle: boolean): boolean {
    const { refusal } = this
    // After BindComplete the error comes from within, and a procedure may have committed before it.
    if (this.#serverName === '' || this.bound || refusal === undefined) return false
    if (!this.host.prepared.forgetIfStale(this.#serverName, refusal)) return false
    if (!idle || this.#repeated) return false
    this.#repeated = true
    return true
  }

  protected override report(): void {
    if (this.refusal !== undefined) {
      this.#done(this.refusedWith(this.refusal))
      return
    }
    // One that the server does not hold under its name has used that name all the same.
    if (this.#name !== '' && this.#serverName === '') {
      this.host.prepared.learn(this.#name, this.#statement.text)
    }
    if (this.failure !== undefined) {
      this.#done(this.failure)
      return
    }
    this.#done(null, {
      rows: this.#rows,
      rowCount: this.#rowCount,
      command: this.#command,
      fields: this.#shape.fields,
    })
  }

  override refuse(error: Error): void {
    this.#done(error)
  }

  /** The rows that have come, which are then no longer kept here. */
  protected takeRows(): unknown[] {
    const rows = this.#rows
    this.#rows = []
    return rows
  }

  /** A command is through. */
  protected completed(tag: string): void {
    if (this.#complete) {
      this.#rows = []
      this.#shape = RowShape.none
    }
    this.#complete = true
    this.#rowCount = countOf(tag)
    this.#command = commandOf(tag)
  }

  /** The server wants the data of a COPY, and there is none. */
  protected refuseCopy(): void {
    const fail = copyFail('COPY FROM STDIN needs a source; use copyFrom')
    // The server passes over a Sync that comes while it waits for data.
    if (this.#values === undefined && this.#name === '') this.host.send(fail)
    else this.host.send(fail, SYNC)
  }

  #described(shape: RowShape): void {
    this.#shape = shape
    if (this.#serverName !== '') {
      this.host.prepared.learn(this.#serverName, this.#statement.text, shape)
    }
  }

  #row(buffer: Buffer, from: number): void {
    if (this.failure !== undefined || this.refusal !== undefined) return
    try {
      this.#rows.push(this.#shape.read(buffer, from, this.#asArray))
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause)
      this.failure = new PoolhouseError(`a row of the result cannot be read: ${why}`, {
        executed: 'yes',
        cause,
      })
    }
  }
}

const NO_VALUES: readonly (string | null)[] = []
