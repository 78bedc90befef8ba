import { writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/** File that libfaketime reads the offset of the wall clock from. */
export const CLOCK_FILE = 'FAKETIME_TIMESTAMP_FILE'

/** libfaketime reads its file once a second. */
const SEEN_MS = 5_000
const LOOK_MS = 20
/** What the clocks of a busy process may differ by between two readings, in seconds. */
const CLOSE_SECONDS = 1

/** The wall clock of this process, which can be made to jump where libfaketime is loaded. */
export class ClientClock {
  readonly #file = process.env[CLOCK_FILE]
  #offset = 0

  /**
   * Moves it by some seconds; resolves with the jump that `Date.now()` has shown, in seconds, or
   * undefined where the clock cannot be moved. Rejects if the jump is not seen within five seconds.
   */
  async jump(seconds: number): Promise<number | undefined> {
    if (this.#file === undefined) return undefined
    const before = aheadOfMonotonic()
    this.#offset += seconds
    writeFileSync(this.#file, `${this.#offset < 0 ? '' : '+'}${this.#offset}s\n`)
    const deadline = performance.now() + SEEN_MS
    for (;;) {
      const seen = aheadOfMonotonic() - before
      if (Math.abs(seen - seconds) < CLOSE_SECONDS) return seen
      if (performance.now() > deadline) {
        throw new Error(`the clock was to jump by ${seconds} s and has moved by ${seen} s`)
      }
      await sleep(LOOK_MS)
    }
  }
}

/** How far the wall clock is ahead of the monotonic one, in seconds. */
function aheadOfMonotonic(): number {
  return (Date.now() - performance.now()) / 1_000
}
