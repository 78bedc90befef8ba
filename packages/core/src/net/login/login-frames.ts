import { FrameWalker } from '../frames/frame-walker.js'
import { ProtocolError } from '../frames/login-error.js'

// As libpq: what a server may say before it has let us in, and how long it may be (PQconnectPoll,
// MAX_ERRLEN).
const LONGEST_REQUEST = 2_000
const LONGEST = 30_000
// All that is kept while an answer to the server is being computed.
const MOST_WAITING = 65_536

const REQUEST = 0x52
const BEFORE = new Set(Buffer.from('RE'))
const AFTER = new Set(Buffer.from('RESKNAZ'))
const NONE: Buffer = Buffer.alloc(0)

/**
 * Walks the frames of a server's messages during a log-in. Refuses early what does not belong there
 * or is too long, so that nothing large is ever kept.
 */
export class LoginFrames {
  readonly #walker = new FrameWalker()

  /** Takes what came from the server. Throws `ProtocolError` when too much waits. */
  push(chunk: Buffer): void {
    if (this.#walker.waiting + chunk.length > MOST_WAITING + LONGEST) {
      this.#walker.stop()
      throw tooMuch()
    }
    this.#walker.push(chunk)
  }

  /**
   * The kind of the next frame, as its byte, or undefined if it is not whole yet. `admitted` is
   * whether the server has let us in. Throws `ProtocolError`.
   */
  next(admitted: boolean): number | undefined {
    const walker = this.#walker
    const kind = walker.nextKind
    if (kind === undefined) return undefined
    if (!(admitted ? AFTER : BEFORE).has(kind)) throw unexpected(kind)
    const length = walker.nextLength
    if (length === undefined) return undefined
    const isRequest = kind === REQUEST
    if (length < (isRequest ? 8 : 4) || length > (isRequest ? LONGEST_REQUEST : LONGEST)) {
      throw new ProtocolError(
        `the server sent a message of an impossible length (${length} bytes) during the log-in; is this a PostgreSQL server?`,
      )
    }
    return walker.next() ? kind : undefined
  }

  /** The body of the frame found last. */
  get body(): Buffer {
    const { buffer, from, to } = this.#walker
    return buffer.subarray(from + 5, to)
  }

  /** Adds the frame found last to others. Throws `ProtocolError` when they become too much. */
  addTo(frames: FrameList): void {
    const { buffer, from, to } = this.#walker
    frames.add(buffer, from, to)
    if (frames.length > MOST_WAITING) throw tooMuch()
  }

  /** Takes away what followed the last frame. */
  rest(): Buffer {
    return this.#walker.rest()
  }
}

/** Some of the frames that have come. What lies side by side is not copied. */
export class FrameList {
  #buffer: Buffer = NONE
  #from = 0
  #to = 0
  #before: Buffer[] | undefined
  #length = 0

  /** Bytes of all of them. */
  get length(): number {
    return this.#length
  }

  /** One more. */
  add(buffer: Buffer, from: number, to: number): void {
    this.#length += to - from
    if (buffer !== this.#buffer || from !== this.#to) {
      if (this.#buffer !== NONE) {
        this.#before ??= []
        const before = this.#buffer.subarray(this.#from, this.#to)
        // A few bytes must not hold on to the whole chunk that they came in.
        this.#before.push(buffer === this.#buffer ? before : Buffer.from(before))
      }
      this.#buffer = buffer
      this.#from = from
    }
    this.#to = to
  }

  /** Takes all of them away, with more behind them. */
  take(more: Buffer = NONE): Buffer {
    const last = this.#buffer === NONE ? NONE : this.#buffer.subarray(this.#from, this.#to)
    const before = this.#before
    this.#buffer = NONE
    this.#before = undefined
    this.#length = 0
    if (before === undefined && more.length === 0) return last
    return Buffer.concat([...(before ?? []), last, more])
  }
}

function tooMuch(): ProtocolError {
  return new ProtocolError('the server sends too much during the log-in')
}

function unexpected(type: number): ProtocolError {
  const what = type > 0x20 && type < 0x7f ? `"${String.fromCharCode(type)}"` : `byte ${type}`
  return new ProtocolError(
    `the server does not speak the PostgreSQL protocol (unexpected ${what} during the log-in); is this the right port?`,
  )
}
