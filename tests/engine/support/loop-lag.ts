const EVERY_MS = 5

/**
 * How late this process itself was. A limit on real time is only as good as the event loop that measures it, so tests allow what the
 * loop was late in their course, and nothing else.
 */
export class LoopLag implements Disposable {
  readonly #timer: NodeJS.Timeout
  #last = performance.now()
  #worst = 0

  /** Begins to watch. */
  constructor() {
    this.#timer = setInterval(() => this.#look(), EVERY_MS)
  }

  /** Longest delay seen so far, in milliseconds. */
  get worstMs(): number {
    this.#look()
    return this.#worst
  }

  #look(): void {
    const now = performance.now()
    this.#worst = Math.max(this.#worst, now - this.#last - EVERY_MS)
    this.#last = now
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }
}
