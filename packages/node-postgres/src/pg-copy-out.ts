import type { DriverCopyOut } from '@poolhouse/core/kit'
import { CopyAnswer, type CopyOpening, ReceivingCopy } from '@poolhouse/core/net'
import { PgCopy } from './copy.js'
import type { WorkHost } from './session-work.js'

/** A COPY … TO STDOUT on its way through a `pg.Client`. */
export class PgCopyOut extends PgCopy<ReceivingCopy> {
  protected override readonly answer: CopyAnswer<ReceivingCopy>
  readonly #copy: ReceivingCopy

  /** The text is COPY … TO STDOUT, or `opening` hears that it is not. */
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
    // The parser of `pg` will put later messages where this one is.
    this.#copy.data(Buffer.from(chunk))
  }
}
