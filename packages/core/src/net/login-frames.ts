import { FrameWalker } from './frame-walker.js'
import { ProtocolError } from './login-error.js'

// As libpq: what a server may say before it has let us in, and how long it may be (PQconnectPoll, MAX_ERRLEN).
const LONGEST_REQUEST = 2_000
const LONGEST = 30_000
// All that is kept while an answer to the server is being computed.
const MOST_WAITING = 65_536

const BEFORE = new Set(Buffer.from('RE'))
const AFTER = new Set(Buffer.from('RESKNAZ'))

/** Cuts what a server sends during a log-in into whole frames. Refuses early what does not belong there or is too long, so that nothing large is ever kept. */
export class LoginFrames {
  readonly #walker = new FrameWalker()

  /** Takes what came from the server. Throws `ProtocolError` when too much waits. */
  push(chunk: Buffer): void {
    if (this.#walker.waiting + chunk.length > MOST_WAITING + LONGEST) {
      this.#walker.stop()
      throw new ProtocolError('the server sends too much during the log-in')
    }
    this.#walker.push(chunk)
  }

  /** The next whole frame, or undefined if there is none yet. `admitted` is whether the server has let us in. Throws `ProtocolError`. */
  next(admitted: boolean): Buffer | undefined {
    const walker = this.#walker
    const kind = walker.nextKind
    if (kind === undefined) return undefined
    if (!(admitted ? AFTER : BEFORE).has(kind)) throw unexpected(kind)
    const length = walker.nextLength
    if (length === undefined) return undefined
    const isRequest = kind === 0x52
    if (length < (isRequest ? 8 : 4) || length > (isRequest ? LONGEST_REQUEST : LONGEST)) {
      throw new ProtocolError(
        `the server sent a message of an impossible length (${length} bytes) during the log-in; is this a PostgreSQL server?`,
      )
    }
    return walker.next() ? walker.buffer.subarray(walker.from, walker.to) : undefined
  }

  /** What followed the last frame. */
  rest(): Buffer {
    return this.#walker.rest()
  }
}

function unexpected(type: number): ProtocolError {
  const what = type > 0x20 && type < 0x7f ? `"${String.fromCharCode(type)}"` : `byte ${type}`
  return new ProtocolError(
    `the server does not speak the PostgreSQL protocol (unexpected ${what} during the log-in); is this the right port?`,
  )
}
