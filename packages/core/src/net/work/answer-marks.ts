/**
 * Whether the server of a session answers the marks of shared statements: see `CLOSE_MARK`. Every
 * server does; what only plays one may not, and is then believed without.
 */
export class AnswerMarks {
  #isAnswered = false
  #isIgnored = false
  #sent = 0

  /** Whether the next statement is to be marked: every second one, from the first on. */
  next(): boolean {
    return (this.#sent & 1) === 0 && !this.#isIgnored
  }

  /** A statement was sent. */
  sent(): void {
    this.#sent++
  }

  /** A mark was answered. */
  answered(): void {
    this.#isAnswered = true
  }

  /** An answer came without its mark. Returns whether the server has answered none so far. */
  ignored(): boolean {
    this.#isIgnored = !this.#isAnswered
    return this.#isIgnored
  }
}
