import { PoolhouseError, type Statement } from '@poolhouse/core'
import { messageOf } from '@poolhouse/core/kit'
import {
  commandOf,
  countOf,
  type Done,
  foreignNameError,
  isForeign,
  markIfStale,
  type NamedStatement,
  readRowDescription,
} from '@poolhouse/core/net'
import { SessionWork, tagOf, type WorkHost } from './session-work.js'
import { Submission } from './submission.js'
import { type DeclaredTypes, declaredOf } from './wire/declared-types.js'
import { copyFail, FROM_SERVER, SYNC } from './wire/messages.js'
import { RowShape } from './wire/row-shape.js'

/** One statement. For a text with several, it keeps the result of the last one, as psql does. */
export class StatementWork extends SessionWork {
  /** The error of an unreadable row, such as one whose parser has thrown. */
  protected failure: PoolhouseError | undefined
  readonly #statement: Statement
  readonly #values: readonly (string | null)[] | undefined
  readonly #done: Done
  readonly #asArray: boolean
  readonly #undecoded: boolean
  readonly #declared: DeclaredTypes | undefined
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

  /** Takes values in wire form; undefined for none. */
  constructor(
    host: WorkHost,
    statement: Statement,
    values: readonly (string | null)[] | undefined,
    done: Done,
  ) {
    super(host)
    this.#statement = statement
    this.#values = values
    this.#done = done
    this.#undecoded = statement.undecoded === true
    this.#declared = declaredOf(statement)
    this.#asArray = this.#undecoded || statement.rowMode === 'array'
  }

  /** Number of rows to fetch first; undefined for all. */
  protected get rowsAtFirst(): number | undefined {
    return undefined
  }

  protected override prepare(canClose: boolean): Submission {
    const { prepared } = this.host
    // The types are no part of an automatic name, and the unnamed statement may have any.
    let statement =
      this.#declared === undefined ? prepared.choose(this.#statement, this.#values) : undefined
    this.#known = statement?.state === 'known'
    // A known statement is not described again, so without its columns it cannot be used.
    if (this.#known && statement!.shape === undefined) {
      this.#known = false
      statement = undefined
    }
    // A name that must be closed first cannot be prepared again while the session is busy.
    const mustClose = statement?.state === 'old' || prepared.hasClosing
    if (!this.#known && mustClose && !canClose) statement = undefined
    if (!this.#known && statement !== undefined) prepared.parse(statement)
    this.#prepared = statement
    this.#shape = (this.#known ? statement?.shape : undefined) ?? RowShape.none
    this.failure = undefined
    return new Submission(this, {
      text: this.#statement.text,
      values: this.#values ?? (this.#extended ? NO_VALUES : undefined),
      name: statement?.name ?? '',
      known: this.#known,
      types: this.#declared?.types,
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
      case FROM_SERVER.parseComplete:
        if (this.#prepared !== undefined) this.host.prepared.parsed(this.#prepared)
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
    const statement = this.#prepared
    // After BindComplete it may have been executed in part: a procedure may have committed.
    if (statement === undefined || this.bound || refusal === undefined) return false
    this.#stale = this.host.prepared.refused(statement, this.#known, refusal)
    this.#foreign = !this.#stale && !this.#known && isForeign(refusal)
    if (!this.#stale || !idle || this.#repeated) return false
    this.#repeated = true
    return true
  }

  protected override report(): void {
    if (this.refusal !== undefined) {
      const error = this.refusedWith(this.refusal)
      if (this.#stale) markIfStale(error)
      this.#done(this.#foreign ? foreignNameError(this.#statement.name!, error) : error)
      return
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
    if (this.#prepared !== undefined) this.host.prepared.unsent(this.#prepared)
    this.#done(error)
  }

  /** Returns the rows received so far, and forgets them. */
  protected takeRows(): unknown[] {
    const rows = this.#rows
    this.#rows = []
    return rows
  }

  /** Takes the tag of a finished command. */
  protected completed(tag: string): void {
    if (this.#complete) {
      this.#rows = []
      this.#shape = RowShape.none
    }
    this.#complete = true
    this.#rowCount = countOf(tag)
    this.#command = commandOf(tag)
    this.host.prepared.completed(tag, this.#shape !== RowShape.none, true)
  }

  /** Answers the server's request for COPY data, of which there is none. */
  protected refuseCopy(): void {
    const fail = copyFail('COPY FROM STDIN needs a source; use copyFrom')
    // The server has ignored the Sync, which came during the COPY.
    if (!this.#extended) this.host.send(fail)
    else this.host.send(fail, SYNC)
  }

  #described(shape: RowShape): void {
    this.#shape = shape
    if (this.#prepared?.state === 'known') this.#prepared.shape = shape
    this.#declared?.columns?.(shape.fields)
  }

  get #extended(): boolean {
    const { name } = this.#statement
    return this.#values !== undefined || name !== undefined || this.rowsAtFirst !== undefined
  }

  #row(buffer: Buffer, from: number): void {
    if (this.failure !== undefined || this.refusal !== undefined) return
    try {
      this.#rows.push(this.#shape.read(buffer, from, this.#asArray, this.#undecoded))
    } catch (cause) {
      const why = messageOf(cause)
      this.failure = new PoolhouseError(`a row of the result cannot be read: ${why}`, {
        executed: 'yes',
        cause,
      })
    }
  }
}

const NO_VALUES: readonly (string | null)[] = []
