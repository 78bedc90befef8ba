const QUERY = 0x51
const SYNC = 0x53
const COPY = new Set([0x64, 0x63, 0x66])

/**
 * Counts what a client sends and what is still to be answered, whoever sends it: its own, or what
 * runs on the instance directly.
 */
export class SeriesCount {
  /** ReadyForQuery messages that are to come. */
  #owed = 0
  /** Whether something was sent that the next ReadyForQuery is still to be asked for. */
  #open = false

  /** Whether everything was answered. */
  get quiet(): boolean {
    return this.#owed === 0 && !this.#open
  }

  /** Whole messages of the client were sent. */
  sent(messages: Buffer): void {
    for (let at = 0; at + 5 <= messages.length; at += 1 + messages.readUInt32BE(at + 1)) {
      const kind = messages[at]!
      if (kind === QUERY || kind === SYNC) {
        this.#owed++
        this.#open = false
      } else if (!COPY.has(kind)) this.#open = true
    }
  }

  /** ReadyForQuery has come. */
  answered(): void {
    if (this.#owed > 0) this.#owed--
  }
}
