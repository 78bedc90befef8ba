const EVERY_MS = 5

/**
 * How late the event loop was because of this process itself: of each delay only what the process
 * spent on a processor counts, since other programs of a busy machine do not stall it.
 */
export class LoopLag implements Disposable {
  readonly #timer: NodeJS.Timeout
  #last = performance.now()
  #lastCpu = process.cpuUsage()
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
    const { user, system } = process.cpuUsage(this.#lastCpu)
    const late = now - this.#last - EVERY_MS
    this.#worst = Math.max(this.#worst, Math.min(late, (user + system) / 1_000))
    this.#last = now
    this.#lastCpu = process.cpuUsage()
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }
}
