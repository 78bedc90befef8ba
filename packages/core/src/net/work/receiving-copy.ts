import type { DriverCopyOut } from '../../api/driver.js'
import type { RunningCopy } from './copy-answer.js'

interface Reader {
  readonly resolve: (data: Uint8Array | undefined) => void
  readonly reject: (error: Error) => void
}

// With as many bytes read ahead the socket is not read any further.
const MOST_AHEAD = 65_536

/**
 * A running COPY … TO STDOUT. What comes before it is asked for is kept up to a limit, past which
 * the socket is paused; what has come is given as one piece.
 */
export class ReceivingCopy implements DriverCopyOut, RunningCopy {
  readonly #pause: (paused: boolean) => void
  #ahead: Buffer[] = []
  #aheadBytes = 0
  #paused = false
  #reader: Reader | undefined
  #over = false
  #failure: Error | undefined

  /** `pause` stops reading the socket, or goes on. */
  constructor(pause: (paused: boolean) => void) {
    this.#pause = pause
  }

  async read(): Promise<Uint8Array | undefined> {
    if (this.#ahead.length > 0) return this.#take()
    if (this.#failure !== undefined) throw this.#failure
    if (this.#over) return undefined
    return new Promise((resolve, reject) => {
      this.#reader = { resolve, reject }
    })
  }

  /** Takes the body of a CopyData, whose bytes must not change from now on. */
  data(bytes: Buffer): void {
    const reader = this.#reader
    if (reader !== undefined) {
      this.#reader = undefined
      reader.resolve(bytes)
      return
    }
    this.#ahead.push(bytes)
    this.#aheadBytes += bytes.length
    if (this.#aheadBytes < MOST_AHEAD || this.#paused) return
    this.#paused = true
    this.#pause(true)
  }

  ended(error: Error | undefined): void {
    this.#end(error)
  }

  lost(error: Error): void {
    // What is left of it is of no use, and its reader is to hear of the loss at once.
    this.#ahead = []
    this.#end(error)
  }

  #take(): Buffer {
    const ahead = this.#ahead
    this.#ahead = []
    this.#aheadBytes = 0
    this.#resume()
    return ahead.length === 1 ? ahead[0]! : Buffer.concat(ahead)
  }

  #end(error: Error | undefined): void {
    this.#over = true
    this.#failure = error
    // The session goes on, even if the caller never takes what was read ahead.
    this.#resume()
    const reader = this.#reader
    this.#reader = undefined
    if (error === undefined) reader?.resolve(undefined)
    else reader?.reject(error)
  }

  #resume(): void {
    if (!this.#paused) return
    this.#paused = false
    this.#pause(false)
  }
}
