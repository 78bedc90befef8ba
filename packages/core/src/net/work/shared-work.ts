import type { SentStatement } from '../../api/driver.js'
import type { QueryResult } from '../../api/statement.js'
import { wireValuesOf } from '../../api/statement.js'
import { PoolhouseError } from '../../outcome/poolhouse-error.js'
import { ProtocolError, unaskedFor } from '../frames/login-error.js'
import { FROM_SERVER } from '../frames/messages.js'
import { MisshapenRow } from '../frames/row-shape.js'
import { type ServerError, toLostError } from '../frames/server-error.js'
import { StatementWork } from './statement-work.js'
import type { WireHost } from './wire-work.js'

const NONE: readonly [] = []

// What the server owes next, in the order of the protocol.
const CLOSE = 0
const PARSE = 1
const BIND = 2
const DESCRIBE = 3
const ROWS = 4
const READY = 5

/**
 * One statement that shares its session with others in flight. It goes by the extended protocol,
 * which refuses a text of several statements, and takes the messages of its answer in no other
 * order than that of what was sent: a message too many or too few would shift the answers of all
 * that follow. Every second statement of a session is marked, so that an answer too many or too few
 * shows even where all have the same form.
 */
export class SharedWork extends StatementWork {
  readonly #sent: SentStatement
  #next = CLOSE
  #closes = 0
  #isMarked: boolean

  /** `isMarked`: a `CLOSE_MARK` goes out in front of it. Throws what the values throw. */
  constructor(host: WireHost, sent: SentStatement, isMarked: boolean) {
    super(host, sent.statement, wireValuesOf(sent.statement) ?? NONE, undefined)
    this.#sent = sent
    this.#isMarked = isMarked
  }

  override messages(): Buffer {
    const messages = super.messages()
    this.#closes = this.closing.length + (this.#isMarked ? 1 : 0)
    this.#next = CLOSE
    this.#skip()
    return messages
  }

  override take(kind: number, buffer: Buffer, from: number, to: number): void {
    const isUnmarked = this.#next === CLOSE && kind !== FROM_SERVER.closeComplete
    if (isUnmarked && this.#isMarked && this.host.marks.ignored()) {
      this.#closes = 0
      this.#skip()
    }
    switch (kind) {
      case FROM_SERVER.dataRow:
        if (this.#next !== ROWS) throw unaskedFor(kind)
        break
      case FROM_SERVER.bindComplete:
        if (this.#next !== BIND) throw unaskedFor(kind)
        this.#next = this.describes ? DESCRIBE : ROWS
        break
      case FROM_SERVER.commandComplete:
      case FROM_SERVER.emptyQuery:
        if (this.#next !== ROWS) throw unaskedFor(kind)
        this.#next = READY
        break
      case FROM_SERVER.rowDescription:
      case FROM_SERVER.noData:
        if (this.#next !== DESCRIBE) throw unaskedFor(kind)
        this.#next = ROWS
        break
      case FROM_SERVER.parseComplete:
        if (this.#next !== PARSE) throw unaskedFor(kind)
        this.#next = BIND
        break
      case FROM_SERVER.closeComplete:
        if (this.#next !== CLOSE) throw unaskedFor(kind)
        if (this.#isMarked) this.host.marks.answered()
        this.#closes--
        this.#skip()
        return
      default:
        throw unaskedFor(kind)
    }
    super.take(kind, buffer, from, to)
  }

  override takeError(buffer: Buffer, from: number, to: number): ServerError {
    this.#next = READY
    return super.takeError(buffer, from, to)
  }

  protected override again(): void {
    super.again()
    this.#isMarked = false
  }

  protected override get follows(): boolean {
    return !this.isRepeated
  }

  override settle(): void {
    if (this.host.status === 'idle') super.settle()
    else {
      // The texts that may share begin none: what follows would run in it, and be lost with it.
      const reason = new PoolhouseError(
        'a statement that shares its connection has left a transaction open',
        { executed: 'no' },
      )
      this.host.failed(reason)
      this.tell(toLostError(reason, 'unknown'))
    }
  }

  protected override unreadable(cause: unknown): void {
    // It may be another one's answer, and then those of all that follow are too.
    if (cause instanceof MisshapenRow) {
      throw new ProtocolError(`a row of a shared session cannot be read: ${cause.message}`)
    }
    super.unreadable(cause)
  }

  protected override tell(error: Error | null, result?: QueryResult<unknown>): void {
    this.#sent.done(error, result)
  }

  #skip(): void {
    if (this.#next === CLOSE && this.#closes === 0) this.#next = this.parses ? PARSE : BIND
  }
}
