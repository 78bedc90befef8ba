import type { DriverCopyOut } from '@poolhouse/core/kit'
import { CopyAnswer, type CopyOpening, ReceivingCopy } from '@poolhouse/core/net'
import { CopyWork } from './copy.js'
import { FROM_SERVER } from './messages.js'
import type { WorkHost } from './session-work.js'

/** A COPY … TO STDOUT on its way through postgres.js, which never sees its data. */
export class CopyOut extends CopyWork<ReceivingCopy> {
  protected override readonly answer: CopyAnswer<ReceivingCopy>
  readonly #copy: ReceivingCopy

  /** The text is COPY … TO STDOUT, or `opening` hears that it is not. */
  constructor(host: WorkHost, text: string, opening: CopyOpening<DriverCopyOut>) {
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
