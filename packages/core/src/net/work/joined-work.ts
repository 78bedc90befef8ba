import type { SentStatement } from '../../api/driver.js'
import type { DatabaseError } from '../../outcome/database-error.js'
import { passedOverError } from '../../outcome/passed-over.js'
import { PoolhouseError } from '../../outcome/poolhouse-error.js'
import { traitsOf } from '../../sql/statement-traits.js'
import { CONTROLS_TRANSACTION } from '../../sql/trait-flags.js'
import type { WireValue } from '../../types/encode-values.js'
import { FROM_SERVER, SYNC } from '../frames/messages.js'
import type { ServerError } from '../frames/server-error.js'
import { StatementWork } from './statement-work.js'
import { type WireHost, WireWork } from './wire-work.js'

/** One of joined statements, with its values in wire form. */
export interface JoinedPart {
  /** What to send, and whom to tell. */
  readonly sent: SentStatement
  /** Its values; undefined for none. */
  readonly values: readonly WireValue[] | undefined
  /** Whether what is sent before it may change what a name stands for: then it runs without one. */
  readonly isBehindChange: boolean
}

// The function of PostgreSQL by which a session that was told to end does so, in the middle of what
// it runs: nothing that stands behind it is run. Not so the last word of a pooler, which answers in
// the place of a server that may have done all of it.
const ENDS_ITSELF = 'ProcessInterrupts'

/**
 * Statements that are one step for the server: no Sync between them, so that after an error of one
 * the server passes over the others.
 */
export class JoinedWork extends WireWork {
  readonly #parts: readonly Part[]
  /** The part whose answer comes next. */
  #at = 0
  /** The first part that cannot be sent, and why: an error of the caller. */
  #unsent: { readonly at: number; readonly error: Error } | undefined
  /** Whether a part begins or ends a transaction. */
  readonly #controls: boolean

  /** Takes two or more of them. */
  constructor(host: WireHost, parts: readonly JoinedPart[]) {
    super(host)
    this.#controls = parts.some(({ sent }) => controls(sent.statement.text))
    this.#parts = parts.map((part, index) => new Part(host, part, index === parts.length - 1))
  }

  /**
   * In a transaction of their own, what stands before a part that cannot be sent goes out all the
   * same, as it would alone: BEGIN, before a statement whose name is taken.
   */
  override messages(): Buffer {
    const pieces: Buffer[] = []
    for (const [at, part] of this.#parts.entries()) {
      try {
        pieces.push(part.messages())
      } catch (error) {
        if (at === 0 || !this.#controls) throw error
        this.#unsent = { at, error: error as Error }
        pieces.push(SYNC)
        break
      }
    }
    return Buffer.concat(pieces)
  }

  override take(kind: number, buffer: Buffer, from: number, to: number): void {
    const part = this.#parts[this.#at]
    part?.take(kind, buffer, from, to)
    if (kind !== FROM_SERVER.commandComplete && kind !== FROM_SERVER.emptyQuery) return
    this.#at++
    this.isAnswered = this.#at === this.#sentParts
  }

  override takeError(buffer: Buffer, from: number, to: number): ServerError {
    const refusal = super.takeError(buffer, from, to)
    this.#parts[this.#failedAt]!.takeError(buffer, from, to)
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
    // Without a transaction of its own the step is one, and an error undoes all of it.
    const isUndone = refusal !== undefined && !this.#controls && this.host.status === 'idle'
    for (const [index, part] of this.#parts.entries()) {
      const passedOver = this.#passedOver(index, refusal)
      if (passedOver !== undefined) part.refuse(passedOver)
      else if (isUndone && part !== failed) part.undo(undoneError(refusal))
      else part.settle()
    }
  }

  /** Why a part was not run although others of the step were, if that is so. */
  #passedOver(index: number, refusal: Error | undefined): Error | undefined {
    const unsent = this.#unsent
    // It was never sent, whatever became of what was.
    if (unsent !== undefined && index === unsent.at) return unsent.error
    if (refusal !== undefined && index > this.#failedAt) return passedOverError(refusal)
    return unsent !== undefined && index > unsent.at ? passedOverError(unsent.error) : undefined
  }

  override lose(reason: unknown): void {
    const said = this.refusal
    const refusal = said?.routine === ENDS_ITSELF ? this.refusedWith(said) : undefined
    for (const [index, part] of this.#parts.entries()) {
      const passedOver = this.#passedOver(index, refusal)
      part.sent = this.sent
      if (passedOver === undefined) part.lose(reason)
      else part.refuse(passedOver)
    }
  }

  override refuse(error: Error): void {
    for (const part of this.#parts) part.refuse(error)
  }

  override takeBack(): void {
    for (const part of this.#parts) part.takeBack()
  }

  get #failed(): Part | undefined {
    return this.refusal === undefined ? undefined : this.#parts[this.#failedAt]
  }

  /** Past the last one it is the implicit commit of the whole step that has failed. */
  get #failedAt(): number {
    return Math.min(this.#at, this.#sentParts - 1)
  }

  get #sentParts(): number {
    return this.#unsent?.at ?? this.#parts.length
  }
}

/** One of them. */
class Part extends StatementWork {
  readonly #isLast: boolean
  readonly #isBehindChange: boolean
  #undone: Error | undefined

  constructor(host: WireHost, { sent, values, isBehindChange }: JoinedPart, isLast: boolean) {
    super(host, sent.statement, values, (error, result) => {
      if (this.#undone === undefined) sent.done(error, result)
      else sent.done(this.#undone)
    })
    this.#isLast = isLast
    this.#isBehindChange = isBehindChange
  }

  override messages(): Buffer {
    return this.extendedMessages(this.#isLast ? 'sync' : 'joined', 0, this.#isBehindChange)
  }

  /** It was run, and undone since. */
  undo(error: Error): void {
    this.#undone = error
    this.settle()
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

function controls(text: string): boolean {
  return (traitsOf(text) & CONTROLS_TRANSACTION) !== 0
}

function undoneError(cause: DatabaseError): PoolhouseError {
  return new PoolhouseError(
    `the statement was undone, because one that was sent with it failed: ${cause.message}`,
    { executed: 'rolled-back', cause },
  )
}
