const EVERY_MS = 5

/**
 * Measures real time without what the event loop of this process was late meanwhile. A limit on
 * real time is only as good as the process that measures it: on a busy machine that gets no
 * processor for a while, again and again, and neither its timers nor those of the pool fire.
 */
export class Stopwatch implements Disposable {
  readonly #startedAt = performance.now()
  readonly #timer: NodeJS.Timeout
  #last = this.#startedAt
  #lateMs = 0

  /** Starts to measure. */
  constructor() {
    this.#timer = setInterval(() => this.#look(), EVERY_MS)
  }

  /** How long it has been running, less what the loop was late, in milliseconds. */
  get elapsedMs(): number {
    this.#look()
    return this.#last - this.#startedAt - this.#lateMs
  }

  #look(): void {
    const now = performance.now()
    const late = now - this.#last - EVERY_MS
    if (late > EVERY_MS) this.#lateMs += late
    this.#last = now
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }
}
