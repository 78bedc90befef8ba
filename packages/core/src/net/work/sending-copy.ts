import type { CopyResult, DriverCopyIn } from '../../api/driver.js'
import { systemClock } from '../../base/clock.js'
import { PoolhouseError } from '../../outcome/poolhouse-error.js'
import type { RunningCopy } from './copy-answer.js'

/** How the messages of a COPY … FROM STDIN are sent. */
export interface CopyInLine {
  /**
   * Sends CopyData with a copy of the bytes, because the caller may put something else there. False
   * when the socket is full, or closing.
   */
  sendData(bytes: Buffer): boolean
  /** Sends CopyDone. */
  sendDone(): void
  /** Sends CopyFail. */
  sendFail(reason: string): void
}

interface Waiting {
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

// What is given at once is sent in pieces of this size: each is copied, and the server takes none
// above a gigabyte.
const PIECE = 1 << 20
// After so many bytes the event loop gets a turn: if the kernel takes everything at once, a writer
// never waits, and neither a refusal nor other work would be seen.
const TURN = 1 << 18

/**
 * A running COPY … FROM STDIN. When the server refuses it in the middle, ReadyForQuery follows by
 * itself, because the text went by the simple protocol; data that is still on its way then is
 * dropped by the server, wherever it meets it.
 */
export class SendingCopy implements DriverCopyIn, RunningCopy {
  readonly #line: CopyInLine
  /** Writers whose data fills the socket, and the callers that wait for the end. */
  #writers: Waiting[] = []
  #enders: (() => void)[] = []
  #state: 'taking' | 'finishing' | 'over' = 'taking'
  #failure: Error | undefined
  #result: CopyResult | undefined
  #sinceTurn = 0

  /** To be given to the caller when the server takes data. */
  constructor(line: CopyInLine) {
    this.#line = line
  }

  async write(chunk: Uint8Array): Promise<void> {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    let start = 0
    do {
      if (this.#failure !== undefined) throw this.#failure
      if (this.#state !== 'taking') throw noMore()
      const piece = bytes.subarray(start, start + PIECE)
      start += PIECE
      this.#sinceTurn += piece.length
      // Of a socket that is closing, the end is on its way.
      if (!this.#line.sendData(piece)) await this.#room()
      if (this.#sinceTurn >= TURN) {
        this.#sinceTurn = 0
        await eventLoop()
      }
    } while (start < bytes.length)
    if (this.#failure !== undefined) throw this.#failure
  }

  async finish(): Promise<CopyResult> {
    if (this.#state === 'taking') {
      this.#state = 'finishing'
      this.#line.sendDone()
    }
    await this.#over()
    if (this.#failure !== undefined) throw this.#failure
    return this.#result!
  }

  async fail(message: string): Promise<void> {
    if (this.#state === 'taking') {
      this.#state = 'finishing'
      // The message ends at the first zero byte.
      this.#line.sendFail(message.replaceAll('\0', ' '))
    }
    await this.#over()
  }

  /** The socket has room again. */
  drained(): void {
    for (const { resolve } of this.#writers.splice(0)) resolve()
  }

  ended(error: Error | undefined, result: CopyResult): void {
    this.#result = result
    this.#end(error)
  }

  lost(error: Error): void {
    this.#end(error)
  }

  #end(error: Error | undefined): void {
    this.#state = 'over'
    this.#failure = error
    const late = error ?? noMore()
    for (const { reject } of this.#writers.splice(0)) reject(late)
    for (const resolve of this.#enders.splice(0)) resolve()
  }

  #room(): Promise<void> {
    return new Promise((resolve, reject) => this.#writers.push({ resolve, reject }))
  }

  #over(): Promise<void> {
    if (this.#state === 'over') return Promise.resolve()
    return new Promise((resolve) => this.#enders.push(resolve))
  }
}

function eventLoop(): Promise<void> {
  return new Promise((resolve) => systemClock.afterIo(resolve))
}

function noMore(): Error {
  return new PoolhouseError('the COPY takes no more data: it was ended')
}
