const QUERY = 0x51
const SYNC = 0x53
const COPY: ReadonlySet<number> = new Set([0x64, 0x63, 0x66])
// Kind and length.
const HEADER = 5

/**
 * Counts the answers that the server owes to what a client has sent, which may come in pieces of
 * messages.
 */
export class SentSeries {
  /** ReadyForQuery messages still to come. */
  #owed = 0
  /** Whether messages were sent whose Sync is still to be sent. */
  #open = false
  /** Bytes of the header that was begun; undefined if none was. */
  #head: Buffer | undefined
  /** Bytes of the body of the last message that are still to be sent. */
  #left = 0

  /** Whether no answer is owed and no message is begun. */
  get quiet(): boolean {
    return this.#owed === 0 && !this.#open && this.#left === 0 && this.#head === undefined
  }

  /** Takes what was sent. */
  sent(bytes: Uint8Array): void {
    let at = 0
    while (at < bytes.length) {
      if (this.#left > 0) {
        const passed = Math.min(this.#left, bytes.length - at)
        this.#left -= passed
        at += passed
        continue
      }
      const missing = HEADER - (this.#head?.length ?? 0)
      const piece = bytes.subarray(at, at + missing)
      at += piece.length
      const head =
        this.#head === undefined ? Buffer.from(piece) : Buffer.concat([this.#head, piece])
      this.#head = head.length < HEADER ? head : undefined
      if (head.length < HEADER) return
      this.#left = Math.max(0, head.readUInt32BE(1) - 4)
      this.#count(head[0]!)
    }
  }

  /** Takes a ReadyForQuery. */
  answered(): void {
    if (this.#owed > 0) this.#owed--
  }

  #count(kind: number): void {
    if (kind === QUERY || kind === SYNC) {
      this.#owed++
      this.#open = false
    } else if (!COPY.has(kind)) this.#open = true
  }
}
