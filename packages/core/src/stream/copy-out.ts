import type { CursorBatch, DriverCopyOut } from '../api/driver.js'
import type { CopyOptions } from '../api/streaming.js'
import type { WorkHost } from '../statement/session-work.js'
import { StreamingWork } from './streaming-work.js'

/** The data of one COPY … TO STDOUT, piece by piece. */
export class CopyOut extends StreamingWork {
  // There once the server has begun to send.
  #copy: DriverCopyOut | undefined

  /** Takes a checked text and checked limits. */
  constructor(host: WorkHost, text: string, limits: CopyOptions) {
    super(host, 'copyTo', text, limits)
  }

  /** Reads the next piece. */
  async read(): Promise<CursorBatch> {
    this.#copy ??= await this.step(
      async (slot) => {
        const copy = await slot.connection!.copyOut(this.text)
        // Before the caller gets it: the caller may have given up meanwhile, and there is data to
        // drain.
        this.#copy = copy
        return copy
      },
      () => false,
    )
    const copy = this.#copy
    const piece = await this.step(
      () => copy.read(),
      (data) => data === undefined,
    )
    return piece === undefined ? { rows: [], end: true } : { rows: [piece], end: false }
  }

  /** What the server would still send could be gigabytes. */
  protected override get endsByCancel(): boolean {
    return this.#copy !== undefined
  }

  protected override async unwind(): Promise<void> {
    while ((await this.#copy?.read()) !== undefined);
  }
}
