import type { CursorBatch, DriverCursor } from '../api/driver.js'
import type { Statement } from '../api/statement.js'
import type { StreamOptions } from '../api/streaming.js'
import { traitsOf } from '../sql/statement-traits.js'
import { COPIES } from '../sql/trait-flags.js'
import { copyMisfit } from '../statement/copy-text.js'
import type { WorkHost } from '../statement/session-work.js'
import { throughPooler } from '../statement/through-pooler.js'
import { StreamingWork } from './streaming-work.js'

const BATCH_SIZE = 100

/** The rows of one statement, fetched in batches through the driver's cursor. */
export class RowStream extends StreamingWork {
  readonly #statement: Statement
  readonly #batchSize: number
  // There once the statement is sent.
  #cursor: DriverCursor | undefined

  /** Takes checked options. */
  constructor(host: WorkHost, statement: Statement, options: StreamOptions) {
    super(host, 'stream', statement.text, { signal: options.signal })
    this.#statement = statement
    this.#batchSize = options.batchSize ?? BATCH_SIZE
  }

  /** Fetches the next rows. */
  read(): Promise<CursorBatch> {
    return this.step(
      (slot) => {
        if (this.#cursor === undefined) {
          if ((traitsOf(this.text, slot.escapes) & COPIES) !== 0)
            throw copyMisfit('stream', this.text)
          slot.send(this.#statement)
          const { name, pooler } = this.host
          const sent = throughPooler(name, pooler, this.#statement, slot.escapes)
          this.#cursor = slot.connection!.openCursor(sent)
        }
        return this.#cursor.read(this.#batchSize)
      },
      ({ end }) => end,
    )
  }

  protected override async unwind(): Promise<void> {
    await this.#cursor?.close()
  }
}
