import type { DriverCopyIn } from '@poolhouse/core/kit'
import { CopyAnswer, type CopyInLine, type CopyOpening, SendingCopy } from '@poolhouse/core/net'
import { CopyWork } from './copy.js'
import { COPY_DONE, copyData, copyFail, FROM_SERVER } from './messages.js'
import type { WorkHost } from './session-work.js'

/** A COPY … FROM STDIN on its way through postgres.js, whose data goes past it. */
export class CopyIn extends CopyWork<SendingCopy> implements CopyInLine {
  protected override readonly answer: CopyAnswer<SendingCopy>
  readonly #copy = new SendingCopy(this)

  /** The text is COPY … FROM STDIN, or `opening` hears that it is not. */
  constructor(host: WorkHost, text: string, opening: CopyOpening<DriverCopyIn>) {
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
    // After a refusal ReadyForQuery is on its way, and the message would only be dropped.
    if (this.refusal === undefined) this.host.send(message)
  }
}
