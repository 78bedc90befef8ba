import { ownError } from '../base/own-error.js'

/** Callers of `warm()`: how many connections they want, and who is told. */
export class Warming {
  #waiting: { target: number; resolve: () => void; reject: (error: Error) => void }[] = []

  /** The most connections anybody waits for; 0 if nobody does. */
  get target(): number {
    return this.#waiting.reduce((most, { target }) => Math.max(most, target), 0)
  }

  /** Waits until `target` connections are open. */
  add(target: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ target, resolve, reject })
    })
  }

  /** `count` connections are open. */
  opened(count: number): void {
    if (this.#waiting.length === 0) return
    const done = this.#waiting.filter(({ target }) => target <= count)
    this.#waiting = this.#waiting.filter(({ target }) => target > count)
    for (const { resolve } of done) resolve()
  }

  /** A connection could not be opened: whoever warms wants to know at once. */
  fail(error: Error): void {
    for (const { reject } of this.#waiting.splice(0)) reject(ownError(error))
  }
}
