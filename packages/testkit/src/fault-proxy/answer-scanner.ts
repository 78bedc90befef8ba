/** Told about each message from the server while its bytes go by. */
export interface AnswerListener {
  /** A message of this type begins; `false` swallows all of it. */
  onStart(type: string): boolean
  /**
   * The message that began last is complete. Call `flush` before anything that must come after it
   * on the line.
   */
  onEnd(type: string, flush: () => void): void
  /** Bytes to hand on, in order. */
  deliver(bytes: Buffer): void
}

/**
 * Finds the messages in a stream from the server without holding them back: only the five bytes of
 * a header that a chunk cuts in two are kept until the rest arrives, so a row of any size passes as
 * it comes.
 */
export class AnswerScanner {
  readonly #listener: AnswerListener
  #held: Buffer = Buffer.alloc(0)
  #type = ''
  /** Bytes that the message under way still lacks. */
  #left = 0
  #passing = true

  constructor(listener: AnswerListener) {
    this.#listener = listener
  }

  push(chunk: Buffer): void {
    const bytes = this.#held.length > 0 ? Buffer.concat([this.#held, chunk]) : chunk
    // Messages that pass are handed on as one run, as they came.
    let runFrom = 0
    let at = 0
    const flush = (): void => {
      if (this.#passing && at > runFrom) this.#listener.deliver(bytes.subarray(runFrom, at))
      runFrom = at
    }
    while (at < bytes.length) {
      if (this.#left === 0) {
        if (bytes.length - at < 5) break
        this.#type = String.fromCharCode(bytes[at]!)
        this.#left = 1 + Math.max(4, bytes.readInt32BE(at + 1))
        const passing = this.#listener.onStart(this.#type)
        if (passing !== this.#passing) flush()
        this.#passing = passing
      }
      const step = Math.min(this.#left, bytes.length - at)
      at += step
      this.#left -= step
      if (this.#left === 0) this.#listener.onEnd(this.#type, flush)
    }
    flush()
    this.#held = bytes.subarray(at)
  }

  /** Takes the bytes of a header that is not complete. */
  rest(): Buffer {
    const held = this.#held
    this.#held = Buffer.alloc(0)
    return held
  }
}
