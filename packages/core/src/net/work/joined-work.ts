import type { SentStatement } from '../../api/driver.js'
import { passedOverError } from '../../outcome/passed-over.js'
import { PoolhouseError } from '../../outcome/poolhouse-error.js'
import type { WireValue } from '../../types/encode-values.js'
import { FROM_SERVER } from '../frames/messages.js'
import type { ServerError } from '../frames/server-error.js'
import { SessionWork, type WorkHost } from './session-work.js'
import { StatementWork } from './statement-work.js'

/** One of joined statements, with its values in wire form. */
export interface JoinedPart {
  /** What to send, and whom to tell. */
  readonly sent: SentStatement
  /** Its values; undefined for none. */
  readonly values: readonly WireValue[] | undefined
}

/**
 * Statements that are one step for the server: no Sync between them, so that after an error of one
 * the server passes over the others.
 */
export class JoinedWork extends SessionWork {
  readonly #parts: readonly Part[]
  /** The part whose answer comes next. */
  #at = 0

  /** Takes two or more of them. */
  constructor(host: WorkHost, parts: readonly JoinedPart[]) {
    super(host)
    this.#parts = parts.map(({ sent, values }, index) => {
      const isLast = index === parts.length - 1
      return new Part(host, sent, values, isLast)
    })
  }

  override messages(): Buffer {
    return Buffer.concat(this.#parts.map((part) => part.messages()))
  }

  override take(kind: number, buffer: Buffer, from: number, to: number): void {
    const part = this.#parts[this.#at]
    part?.take(kind, buffer, from, to)
    if (kind === FROM_SERVER.commandComplete || kind === FROM_SERVER.emptyQuery) this.#at++
  }

  override takeError(buffer: Buffer, from: number, to: number): ServerError {
    const refusal = super.takeError(buffer, from, to)
    // Past the last one it is the implicit commit of the whole step that has failed.
    const part = this.#parts[Math.min(this.#at, this.#parts.length - 1)]!
    part.takeError(buffer, from, to)
    return refusal
  }

  override wantsRepeat(): boolean {
    const failed = this.#failed
    failed?.noteRefusal()
    return false
  }

  protected override report(): void {
    const failed = this.#failed
    const refusal = this.refusal && this.refusedWith(this.refusal)
    for (const [index, part] of this.#parts.entries()) {
      if (part === failed || index < this.#at || refusal === undefined) part.settle()
      else part.refuse(passedOverError(refusal))
    }
  }

  override lose(reason: unknown): void {
    for (const part of this.#parts) {
      part.sent = this.sent
      part.lose(reason)
    }
  }

  override refuse(error: Error): void {
    for (const part of this.#parts) part.refuse(error)
  }

  get #failed(): Part | undefined {
    if (this.refusal === undefined) return undefined
    return this.#parts[Math.min(this.#at, this.#parts.length - 1)]
  }
}

/** One of them. */
class Part extends StatementWork {
  readonly #isLast: boolean

  constructor(
    host: WorkHost,
    { statement, done }: SentStatement,
    values: readonly WireValue[] | undefined,
    isLast: boolean,
  ) {
    super(host, statement, values, done)
    this.#isLast = isLast
  }

  override messages(): Buffer {
    return this.extendedMessages(this.#isLast ? 'sync' : 'joined', 0)
  }

  override noteRefusal(): void {
    super.noteRefusal()
  }

  protected override get extended(): boolean {
    return true
  }

  // The server would pass over everything up to a Sync, which the last of them has sent already.
  protected override refuseCopy(): void {
    throw new PoolhouseError('the server asks for the data of a COPY among joined statements')
  }
}
