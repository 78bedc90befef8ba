import type { CopyAnswer, RunningCopy } from '@poolhouse/core/net'
import type { PgWire } from './pg-module.js'
import { errorOfAnswer, errorOfLoss, type SessionWork, type WorkHost } from './session-work.js'

/** What both directions of COPY have in common: the way of its text through `pg`. */
export abstract class PgCopy<Copy extends RunningCopy> implements SessionWork {
  sent = false
  answered = false
  bound = false
  readonly returnsRows = false
  /** What becomes of the text. */
  protected abstract readonly answer: CopyAnswer<Copy>
  /** Where it was sent. */
  protected wire: PgWire | undefined
  readonly #host: WorkHost
  readonly #text: string
  /** What the server said against it. */
  #error: Error | undefined

  /** Sends nothing yet. */
  constructor(host: WorkHost, text: string) {
    this.#host = host
    this.#text = text
  }

  submit(wire: PgWire): Error | null {
    // The peer is gone and the end of the session is on its way; `pg` would drop the message in
    // silence.
    if (!wire.stream.writable) return null
    this.sent = true
    this.wire = wire
    // What is copied out may be a query that changes the session.
    this.#host.prepared.choose({ text: this.#text }, undefined)
    wire.query(this.#text)
    return null
  }

  handleError(error: Error): void {
    if (!this.sent) {
      this.#host.unsent(this, error)
      return
    }
    this.#error = error
    this.answered = true
  }

  handleReadyForQuery(): void {
    this.answered = true
  }

  handleCommandComplete({ text }: { text: string }): void {
    this.answer.completed(text)
  }

  handleParseComplete(): void {}
  handleRowDescription(): void {}
  handleDataRow(): void {}
  handlePortalSuspended(): void {}
  handleEmptyQuery(): void {}
  handleCopyData(_message: { chunk: Buffer }): void {}

  handleCopyInResponse(wire: PgWire): void {
    wire.sendCopyFail(this.answer.refuseData())
  }

  handleCopyOutResponse(): void {}

  wantsRepeat(): boolean {
    return false
  }

  settle(): void {
    this.answer.settle(this.#error && errorOfAnswer(this.#error))
  }

  lose(reason: unknown): void {
    this.answer.lose(errorOfLoss(this.#error, reason, this.sent))
  }

  refuse(error: Error): void {
    this.answer.lose(error)
  }
}
