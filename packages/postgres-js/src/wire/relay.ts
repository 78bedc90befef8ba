const QUERY = 0x51
const SYNC = 0x53
const COPY = new Set([0x64, 0x63, 0x66])

/** Passes messages on to postgres.js; messages side by side in one buffer go as one chunk. */
export class MessageRelay {
  readonly #give: (chunk: Buffer) => void
  #buffer: Buffer | undefined
  #from = 0
  #to = 0

  /** `give` hands a chunk to postgres.js. */
  constructor(give: (chunk: Buffer) => void) {
    this.#give = give
  }

  /** Keeps a message for the next `flush`. */
  pass(buffer: Buffer, from: number, to: number): void {
    if (this.#buffer !== buffer || this.#to !== from) {
      this.flush()
      this.#buffer = buffer
      this.#from = from
    }
    this.#to = to
  }

  /** Hands over the messages that were kept. */
  flush(): void {
    const buffer = this.#buffer
    if (buffer === undefined) return
    this.#buffer = undefined
    this.#give(buffer.subarray(this.#from, this.#to))
  }
}

/**
 * Counts the answers that the server owes to what was sent, both by the driver and by callers of
 * `raw`.
 */
export class SeriesCount {
  /** ReadyForQuery messages still to come. */
  #owed = 0
  /** Whether messages were sent whose Sync is still to be sent. */
  #open = false

  /** Whether no answer is owed. */
  get quiet(): boolean {
    return this.#owed === 0 && !this.#open
  }

  /** Takes whole messages that were sent. */
  sent(messages: Buffer): void {
    for (let at = 0; at + 5 <= messages.length; at += 1 + messages.readUInt32BE(at + 1)) {
      const kind = messages[at]!
      if (kind === QUERY || kind === SYNC) {
        this.#owed++
        this.#open = false
      } else if (!COPY.has(kind)) this.#open = true
    }
  }

  /** Takes a ReadyForQuery. */
  answered(): void {
    if (this.#owed > 0) this.#owed--
  }
}
