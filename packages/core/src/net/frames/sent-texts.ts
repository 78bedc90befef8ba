const QUERY = 0x51
const PARSE = 0x50
// Kind and length.
const HEADER = 5
const NONE: Buffer = Buffer.alloc(0)

/**
 * Tells the SQL texts in what a client sends, which may come in pieces of messages: those of Query
 * and of Parse.
 */
export class SentTexts {
  /** What has come of a header that is not whole yet. */
  #head = NONE
  /** Bytes of the body of the last message that are still to come. */
  #left = 0
  /** Kind of the last message. */
  #kind = 0
  /** The pieces of its body, if it holds a text. */
  #body: Buffer[] = []

  /** Takes what is sent, and tells each text whose message ends in it. */
  take(piece: Uint8Array, tell: (text: string) => void): void {
    const bytes = Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength)
    for (let at = 0; at < bytes.length; ) {
      if (this.#left > 0) {
        const body = bytes.subarray(at, at + this.#left)
        at += body.length
        this.#left -= body.length
        if (this.#holdsText) this.#body.push(body)
      } else {
        const missing = HEADER - this.#head.length
        this.#head = Buffer.concat([this.#head, bytes.subarray(at, at + missing)])
        at += missing
        if (this.#head.length < HEADER) return
        this.#kind = this.#head[0]!
        this.#left = Math.max(0, this.#head.readUInt32BE(1) - 4)
        this.#head = NONE
      }
      if (this.#left === 0 && this.#body.length > 0) this.#tell(tell)
    }
  }

  get #holdsText(): boolean {
    return this.#kind === QUERY || this.#kind === PARSE
  }

  #tell(tell: (text: string) => void): void {
    const body = this.#body.length === 1 ? this.#body[0]! : Buffer.concat(this.#body)
    this.#body = []
    // A Parse has the name of the statement before its text.
    const from = this.#kind === QUERY ? 0 : body.indexOf(0) + 1
    const end = body.indexOf(0, from)
    tell(body.toString('utf8', from, end === -1 ? body.length : end))
  }
}
