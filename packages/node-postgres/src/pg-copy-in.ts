import type { DriverCopyIn } from '@poolhouse/core/kit'
import { CopyAnswer, type CopyInLine, type CopyOpening, SendingCopy } from '@poolhouse/core/net'
import { PgCopy } from './copy.js'
import type { PgWire } from './pg-module.js'
import type { WorkHost } from './session-work.js'

/** A COPY … FROM STDIN on its way through a `pg.Client`. */
export class PgCopyIn extends PgCopy<SendingCopy> implements CopyInLine {
  protected override readonly answer: CopyAnswer<SendingCopy>
  readonly #copy = new SendingCopy(this)
  #awaitsDrain = false

  /** The text is COPY … FROM STDIN, or `opening` hears that it is not. */
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
