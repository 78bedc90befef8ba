/** Passes messages on to postgres.js, those that lie side by side in one buffer as one chunk. */
export class MessageRelay {
  readonly #give: (chunk: Buffer) => void
  #buffer: Buffer | undefined
  #from = 0
  #to = 0

  /** `give` has postgres.js read a chunk. */
  constructor(give: (chunk: Buffer) => void) {
    this.#give = give
  }

  /** Notes a message. */
  pass(buffer: Buffer, from: number, to: number): void {
    if (this.#buffer !== buffer || this.#to !== from) {
      this.flush()
      this.#buffer = buffer
      this.#from = from
    }
    this.#to = to
  }

  /** Gives what was noted. */
  flush(): void {
    const buffer = this.#buffer
    if (buffer === undefined) return
    this.#buffer = undefined
    this.#give(buffer.subarray(this.#from, this.#to))
  }
}
