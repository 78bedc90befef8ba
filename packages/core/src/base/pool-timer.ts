import type { Clock, ClockTimer } from './clock.js'

/** The one timer of a pool, armed for the earliest moment at which anything is due. */
export class PoolTimer {
  readonly #clock: Clock
  readonly #fire: () => void
  #timer: ClockTimer | undefined
  #armedFor = Number.POSITIVE_INFINITY
  #keepAlive = false

  /**
   * `fire` is called in the event loop's check phase, after the sockets have been read: a late
   * timer must not beat an answer that is already there.
   */
  constructor(clock: Clock, fire: () => void) {
    this.#clock = clock
    this.#fire = fire
  }

  /** Makes sure that the timer fires no later than `at`. */
  ensure(at: number): void {
    if (at >= this.#armedFor) return
    this.#timer?.cancel()
    this.#armedFor = at
    // A timer may fire up to 1 ms early by the monotonic clock; the extra millisecond saves a
    // second round.
    const delay = Math.ceil(at - this.#clock.now())
    this.#timer = this.#clock.setTimer(
      () => {
        this.#timer = undefined
        this.#armedFor = Number.POSITIVE_INFINITY
        this.#clock.afterIo(this.#fire)
      },
      delay,
      { keepAlive: this.#keepAlive },
    )
  }

  /** Whether the timer keeps the process alive: it does while a caller waits. */
  keepAlive(on: boolean): void {
    if (this.#keepAlive === on) return
    this.#keepAlive = on
    this.#timer?.keepAlive(on)
  }

  /** Stops the timer. */
  stop(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#armedFor = Number.POSITIVE_INFINITY
  }
}
