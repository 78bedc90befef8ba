const EVERY_MS = 5

/**
 * How late this process itself was. A limit on real time is only as good as the event loop that
 * measures it, so tests allow what the loop was late in their course, and nothing else.
 */
export class LoopLag implements Disposable {
  readonly #timer: NodeJS.Timeout
  #last = performance.now()
  #worst = 0
  #lastCpu = process.cpuUsage()
  #worstOwn = 0

  /** Begins to watch. */
  constructor() {
    this.#timer = setInterval(() => this.#look(), EVERY_MS)
  }

  /** Longest delay seen so far, in milliseconds. */
  get worstMs(): number {
    this.#look()
    return this.#worst
  }

  /**
   * As `worstMs`, of which only what this process spent on a processor itself counts: other
   * programs of a busy machine do not stall its event loop.
   */
  get worstOwnMs(): number {
    this.#look()
    return this.#worstOwn
  }

  #look(): void {
    const now = performance.now()
    const { user, system } = process.cpuUsage(this.#lastCpu)
    const late = now - this.#last - EVERY_MS
    this.#worst = Math.max(this.#worst, late)
    this.#worstOwn = Math.max(this.#worstOwn, Math.min(late, (user + system) / 1_000))
    this.#last = now
    this.#lastCpu = process.cpuUsage()
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }
}
