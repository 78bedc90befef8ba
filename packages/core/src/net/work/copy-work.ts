import type { DriverCopyIn, DriverCopyOut } from '../../api/driver.js'
import { COPY_DONE, copyData, copyFail, FROM_SERVER, queryMessage } from '../frames/messages.js'
import { CopyAnswer, type CopyOpening, type RunningCopy } from './copy-answer.js'
import { ReceivingCopy } from './receiving-copy.js'
import { type CopyInLine, SendingCopy } from './sending-copy.js'
import { tagOf, type WireHost, WireWork } from './wire-work.js'

/** The text of a COPY. */
abstract class CopyWork<Copy extends RunningCopy> extends WireWork {
  /** The state of the COPY. */
  protected abstract readonly answer: CopyAnswer<Copy>
  readonly #text: string

  constructor(host: WireHost, text: string) {
    super(host)
    this.#text = text
  }

  override messages(): Buffer {
    // COPY (query) TO may run a query that changes the session.
    this.host.prepared.choose({ text: this.#text }, undefined)
    return queryMessage(this.#text)
  }

  override take(kind: number, buffer: Buffer, from: number, to: number): void {
    if (kind === FROM_SERVER.copyInResponse) this.host.send(copyFail(this.answer.refuseData()))
    else if (kind === FROM_SERVER.emptyQuery) this.isAnswered = true
    else if (kind === FROM_SERVER.commandComplete) {
      this.isAnswered = true
      const tag = tagOf(buffer, from, to)
      this.answer.completed(tag)
      this.host.prepared.completed(tag, false, true)
    }
  }

  protected override report(): void {
    this.answer.settle(this.refusal && this.refusedWith(this.refusal))
  }

  override refuse(error: Error): void {
    this.answer.lose(error)
  }
}

/** A COPY … FROM STDIN. */
export class CopyInWork extends CopyWork<SendingCopy> implements CopyInLine {
  protected override readonly answer: CopyAnswer<SendingCopy>
  readonly #copy = new SendingCopy(this)

  /** `opening` is rejected if the text is no COPY … FROM STDIN. */
  constructor(host: WireHost, text: string, opening: CopyOpening<DriverCopyIn>) {
    super(host, text)
    this.answer = new CopyAnswer('COPY … FROM STDIN', this.#copy, opening)
  }

  override take(kind: number, buffer: Buffer, from: number, to: number): void {
    if (kind !== FROM_SERVER.copyInResponse || !this.answer.begin()) {
      super.take(kind, buffer, from, to)
    }
  }

  override drained(): void {
    this.#copy.drained()
  }

  sendData(bytes: Buffer): boolean {
    return this.host.send(copyData(bytes))
  }

  sendDone(): void {
    this.#last(COPY_DONE)
  }

  sendFail(reason: string): void {
    this.#last(copyFail(reason))
  }

  #last(message: Buffer): void {
    // After an ErrorResponse the COPY is over, and ReadyForQuery follows by itself.
    if (this.refusal === undefined) this.host.send(message)
  }
}

/** A COPY … TO STDOUT. */
export class CopyOutWork extends CopyWork<ReceivingCopy> {
  protected override readonly answer: CopyAnswer<ReceivingCopy>
  readonly #copy: ReceivingCopy

  /** `opening` is rejected if the text is no COPY … TO STDOUT. */
  constructor(host: WireHost, text: string, opening: CopyOpening<DriverCopyOut>) {
    super(host, text)
    this.#copy = new ReceivingCopy((paused) => host.pause(paused))
    this.answer = new CopyAnswer('COPY … TO STDOUT', this.#copy, opening)
  }

  override take(kind: number, buffer: Buffer, from: number, to: number): void {
    if (kind === FROM_SERVER.copyOutResponse) this.answer.begin()
    else if (kind === FROM_SERVER.copyData) this.#copy.data(buffer.subarray(from + 5, to))
    else super.take(kind, buffer, from, to)
  }
}
