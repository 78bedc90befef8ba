import type { DriverCopyIn, DriverCopyOut } from '@poolhouse/core/kit'
import {
  CopyAnswer,
  type CopyInLine,
  type CopyOpening,
  ReceivingCopy,
  type RunningCopy,
  SendingCopy,
} from '@poolhouse/core/net'
import type { PgWire } from './pg-module.js'
import { errorOfAnswer, errorOfLoss, type SessionWork, type WorkHost } from './session-work.js'

/** The text of a COPY on its way through `pg`. */
abstract class PgCopy<Copy extends RunningCopy> implements SessionWork {
  sent = false
  answered = false
  bound = false
  readonly returnsRows = false
  /** The state of the COPY. */
  protected abstract readonly answer: CopyAnswer<Copy>
  /** Where the text was sent. */
  protected wire: PgWire | undefined
  readonly #host: WorkHost
  readonly #text: string
  /** The error that the server has sent, if any. */
  #error: Error | undefined

  constructor(host: WorkHost, text: string) {
    this.#host = host
    this.#text = text
  }

  submit(wire: PgWire): Error | null {
    // The peer is gone, and the end of the session follows. `pg` would drop the message silently.
    if (!wire.stream.writable) return null
    this.sent = true
    this.wire = wire
    // COPY (query) TO may run a query that changes the session.
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

/** A COPY … FROM STDIN over a `pg.Client`. */
export class PgCopyIn extends PgCopy<SendingCopy> implements CopyInLine {
  protected override readonly answer: CopyAnswer<SendingCopy>
  readonly #copy = new SendingCopy(this)
  #awaitsDrain = false

  /** `opening` is rejected if the text is no COPY … FROM STDIN. */
  constructor(host: WorkHost, text: string, opening: CopyOpening<DriverCopyIn>) {
    super(host, text)
    this.answer = new CopyAnswer('COPY … FROM STDIN', this.#copy, opening)
  }

  override handleCopyInResponse(wire: PgWire): void {
    if (!this.answer.begin()) super.handleCopyInResponse(wire)
  }

  override settle(): void {
    this.#forgetDrain()
    super.settle()
  }

  override lose(reason: unknown): void {
    this.#forgetDrain()
    super.lose(reason)
  }

  sendData(bytes: Buffer): boolean {
    const wire = this.wire!
    const { stream } = wire
    wire.sendCopyFromChunk(bytes)
    if (stream.writable && !stream.writableNeedDrain) return true
    if (!this.#awaitsDrain) stream.once('drain', this.#onDrain)
    this.#awaitsDrain = true
    return false
  }

  sendDone(): void {
    this.wire!.endCopyFrom()
  }

  sendFail(reason: string): void {
    this.wire!.sendCopyFail(reason)
  }

  readonly #onDrain = (): void => {
    this.#awaitsDrain = false
    this.#copy.drained()
  }

  #forgetDrain(): void {
    if (this.#awaitsDrain) this.wire?.stream.removeListener('drain', this.#onDrain)
  }
}

/** A COPY … TO STDOUT over a `pg.Client`. */
export class PgCopyOut extends PgCopy<ReceivingCopy> {
  protected override readonly answer: CopyAnswer<ReceivingCopy>
  readonly #copy: ReceivingCopy

  /** `opening` is rejected if the text is no COPY … TO STDOUT. */
  constructor(host: WorkHost, text: string, opening: CopyOpening<DriverCopyOut>) {
    super(host, text)
    this.#copy = new ReceivingCopy((paused) => {
      if (paused) this.wire?.stream.pause()
      else this.wire?.stream.resume()
    })
    this.answer = new CopyAnswer('COPY … TO STDOUT', this.#copy, opening)
  }

  override handleCopyOutResponse(): void {
    this.answer.begin()
  }

  override handleCopyData({ chunk }: { chunk: Buffer }): void {
    // A copy, because the parser of `pg` reuses this buffer for later messages.
    this.#copy.data(Buffer.from(chunk))
  }
}
