/** Passes messages on to a client; messages side by side in one buffer go as one chunk. */
export class MessageRelay {
  readonly #give: (chunk: Buffer) => void
  #buffer: Buffer | undefined
  #from = 0
  #to = 0

  /** `give` hands a chunk to the client. */
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
