import type { QueryResult, Statement } from '../../api/statement.js'
import { messageOf } from '../../base/message-of.js'
import { isCondition } from '../../outcome/conditions.js'
import { PoolhouseError } from '../../outcome/poolhouse-error.js'
import type { WireValue } from '../../types/encode-values.js'
import { commandOf, countOf } from '../frames/command-tag.js'
import { readRowDescription } from '../frames/frame-bodies.js'
import {
  copyFail,
  FROM_SERVER,
  queryMessage,
  type StatementToSend,
  SYNC,
  statementMessages,
} from '../frames/messages.js'
import { type RowForm, RowShape } from '../frames/row-shape.js'
import type { NamedStatement } from '../statements/named-statement.js'
import { foreignNameError, isForeign, markIfStale } from '../statements/statement-names.js'
import { type DeclaredTypes, declaredOf } from './declared-types.js'
import type { Done } from './done.js'
import { tagOf, type WireHost, WireWork } from './wire-work.js'

const NO_VALUES: readonly WireValue[] = []
const NO_TYPES: readonly number[] = []
const NO_NAMES: readonly string[] = []

/** One statement. For a text with several, it keeps the result of the last one, as psql does. */
export class StatementWork extends WireWork {
  /** The error of an unreadable row, such as one whose parser has thrown. */
  protected failure: PoolhouseError | undefined
  readonly #statement: Statement
  readonly #values: readonly WireValue[] | undefined
  readonly #done: Done | undefined
  readonly #form: RowForm
  readonly #declared: DeclaredTypes | undefined
  /** The prepared statement that it uses, and whether the server had it when this was sent. */
  #prepared: NamedStatement | undefined
  #known = false
  /** Whether its Parse is on its way, sent by what goes before. */
  #isBehindParse = false
  /** Names that its messages tell the server to forget. */
  protected closing: readonly string[] = NO_NAMES
  /** Whether its messages have the columns described. */
  protected describes = false
  /** Whether the error may come from an outdated prepared statement. */
  #stale = false
  /** Whether another client of the server session has prepared a statement under this name. */
  #foreign = false
  #rows: unknown[] = []
  #tag = ''
  #shape: RowShape = RowShape.none

  /**
   * Takes values in wire form; undefined for none. Without `done`, `tell` is another one's.
   */
  constructor(
    host: WireHost,
    statement: Statement,
    values: readonly WireValue[] | undefined,
    done: Done | undefined,
  ) {
    super(host)
    this.#statement = statement
    this.#values = values
    this.#done = done
    this.#form =
      statement.undecoded === true
        ? 'undecoded'
        : statement.rowMode === 'array'
          ? 'array'
          : 'object'
    this.#declared = declaredOf(statement)
  }

  override messages(): Buffer {
    if (!this.extended) {
      this.host.prepared.choose(this.#statement, undefined)
      return queryMessage(this.#statement.text)
    }
    return this.extendedMessages('sync', 0)
  }

  /** Its messages in the extended protocol. `unnamed` takes no name, not even the caller's. */
  protected extendedMessages(end: StatementToSend['end'], rows: number, unnamed = false): Buffer {
    const { prepared } = this.host
    const { text } = this.#statement
    // The types are no part of an automatic name, and the unnamed statement may have any.
    const isUnnamed = unnamed || this.#declared !== undefined
    const chosen = prepared.choose(this.#statement, this.#values, this.follows)
    const statement = isUnnamed ? undefined : chosen
    this.#prepared = statement
    this.#known = statement?.state === 'known'
    this.#isBehindParse = statement?.state === 'parsing'
    this.#shape = (this.#known ? statement?.shape : undefined) ?? RowShape.none
    this.failure = undefined
    this.describes = !this.#known || statement!.shape === undefined
    this.closing = NO_NAMES
    if (this.parses) {
      if (statement !== undefined) prepared.parse(statement)
      if (prepared.hasClosing) this.closing = prepared.takeClosing()
    }
    return statementMessages({
      text: this.parses ? text : undefined,
      name: statement?.name ?? '',
      values: this.#values ?? NO_VALUES,
      types: this.#declared?.types ?? NO_TYPES,
      closing: this.closing,
      describe: this.describes,
      rows,
      end,
    })
  }

  override take(kind: number, buffer: Buffer, from: number, to: number): void {
    switch (kind) {
      case FROM_SERVER.dataRow:
        this.#row(buffer, from, to)
        break
      case FROM_SERVER.bindComplete:
        this.bound = true
        break
      case FROM_SERVER.emptyQuery:
        this.isAnswered = true
        break
      case FROM_SERVER.commandComplete:
        this.isAnswered = true
        this.completed(tagOf(buffer, from, to))
        break
      case FROM_SERVER.rowDescription:
        this.#rows = []
        this.#tag = ''
        this.#described(
          new RowShape(readRowDescription(buffer.subarray(from + 5, to)), this.host.types),
        )
        break
      case FROM_SERVER.noData:
        this.#described(RowShape.none)
        break
      case FROM_SERVER.parseComplete:
        if (this.#prepared !== undefined) this.host.prepared.parsed(this.#prepared)
        break
      case FROM_SERVER.copyInResponse:
        this.refuseCopy()
    }
  }

  /** Once, if it may have failed only because its prepared statement was lost or outdated. */
  override wantsRepeat(idle: boolean): boolean {
    if (!this.mayBeRepeated(idle)) return false
    this.again()
    return true
  }

  /** Whether it is worth sending anew. `idle` says that the session is in no transaction. */
  protected mayBeRepeated(idle: boolean): boolean {
    this.noteRefusal()
    return this.#stale && idle && !this.isRepeated
  }

  /** Finds out whether the server has refused it only for its prepared statement. */
  protected noteRefusal(): void {
    const { refusal } = this
    const statement = this.#prepared
    // After BindComplete it may have been executed in part: a procedure may have committed.
    if (statement === undefined || this.bound || refusal === undefined) return
    if (this.#isBehindParse) {
      // That Parse has failed.
      this.#stale = isCondition(refusal.code, 'invalid_sql_statement_name')
      return
    }
    this.#stale = this.host.prepared.refused(statement, this.#known, refusal)
    this.#foreign = !this.#stale && !this.#known && isForeign(refusal)
  }

  protected override report(): void {
    if (this.refusal !== undefined) {
      const error = this.refusedWith(this.refusal)
      if (this.#stale) markIfStale(error)
      this.tell(this.#foreign ? foreignNameError(this.#statement.name!, error) : error)
      return
    }
    if (this.failure !== undefined) {
      this.tell(this.failure)
      return
    }
    this.tell(null, {
      rows: this.#rows,
      rowCount: countOf(this.#tag),
      command: commandOf(this.#tag),
      fields: this.#shape.fields,
    })
  }

  override refuse(error: Error): void {
    this.takeBack()
    this.tell(error)
  }

  override takeBack(): void {
    const { prepared } = this.host
    if (this.#prepared !== undefined && this.parses) prepared.unsent(this.#prepared)
    if (this.closing.length > 0) prepared.stillClosing(this.closing)
    this.#prepared = undefined
    this.closing = NO_NAMES
  }

  /** Whether its messages begin with Parse. */
  protected get parses(): boolean {
    return !this.#known && !this.#isBehindParse
  }

  /** Whether it is sent behind what is not answered, and may be sent anew. */
  protected get follows(): boolean {
    return false
  }

  /** Tells the caller. Called once. */
  protected tell(error: Error | null, result?: QueryResult<unknown>): void {
    this.#done!(error, result)
  }

  /** Returns the rows received so far, and forgets them. */
  protected takeRows(): unknown[] {
    const rows = this.#rows
    this.#rows = []
    return rows
  }

  /** Takes the tag of a finished command. */
  protected completed(tag: string): void {
    if (this.#tag !== '') {
      this.#rows = []
      this.#shape = RowShape.none
    }
    this.#tag = tag
    this.host.prepared.completed(tag, this.#shape !== RowShape.none, true)
  }

  /** Answers the server's request for COPY data, of which there is none. */
  protected refuseCopy(): void {
    const fail = copyFail('COPY FROM STDIN needs a source; use copyFrom')
    // The server has ignored the Sync, which came during the COPY.
    this.host.send(this.extended ? Buffer.concat([fail, SYNC]) : fail)
  }

  /** Whether it goes by the extended protocol. */
  protected get extended(): boolean {
    return this.#values !== undefined || this.#statement.name !== undefined
  }

  #described(shape: RowShape): void {
    this.#shape = shape
    if (this.#prepared?.state === 'known') this.#prepared.shape = shape
    this.#declared?.columns?.(shape.fields)
  }

  #row(buffer: Buffer, from: number, to: number): void {
    if (this.failure !== undefined || this.refusal !== undefined) return
    try {
      this.#rows.push(this.#shape.read(buffer, from, to, this.#form))
    } catch (cause) {
      this.unreadable(cause)
    }
  }

  /** A row cannot be read; the rest of the answer is passed over. */
  protected unreadable(cause: unknown): void {
    const why = messageOf(cause)
    this.failure = new PoolhouseError(`a row of the result cannot be read: ${why}`, {
      executed: 'yes',
      cause,
    })
  }
}
