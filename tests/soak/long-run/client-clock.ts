import { writeFileSync } from 'node:fs'

/** File that libfaketime reads the offset of the wall clock from. */
export const CLOCK_FILE = 'FAKETIME_TIMESTAMP_FILE'

/** The wall clock of this process, which can be made to jump where libfaketime is loaded. */
export class ClientClock {
  readonly #file = process.env[CLOCK_FILE]
  #offset = 0

  /** Moves it by some seconds; false if it cannot be moved. */
  jump(seconds: number): boolean {
    if (this.#file === undefined) return false
    this.#offset += seconds
    writeFileSync(this.#file, `${this.#offset < 0 ? '' : '+'}${this.#offset}s\n`)
    return true
  }
}
