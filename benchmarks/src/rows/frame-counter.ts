const HEADER = 5
const LENGTH_SIZE = 4

/**
 * Counts what a server sends by the letter that each of its messages begins with, and keeps nothing
 * of it: the least that any client has to do with an answer.
 */
export class FrameCounter {
  readonly #counts = new Uint32Array(256)
  // A header that came in two pieces, and how much of it is there.
  readonly #header = Buffer.alloc(HEADER)
  #filled = 0
  // Bytes of the current message that are still to come.
  #left = 0

  /** Messages of this kind so far. */
  count(kind: number): number {
    return this.#counts[kind]!
  }

  /** Takes the next piece of what the server sends. */
  take(piece: Buffer): void {
    let at = 0
    while (at < piece.length) {
      if (this.#left > 0) {
        const skipped = Math.min(this.#left, piece.length - at)
        this.#left -= skipped
        at += skipped
      } else if (this.#filled === 0 && piece.length - at >= HEADER) {
        this.#begin(piece, at)
        at += HEADER
      } else {
        this.#header[this.#filled++] = piece[at++]!
        if (this.#filled < HEADER) continue
        this.#filled = 0
        this.#begin(this.#header, 0)
      }
    }
  }

  #begin(header: Buffer, at: number): void {
    this.#counts[header[at]!]!++
    this.#left = header.readInt32BE(at + 1) - LENGTH_SIZE
  }
}
