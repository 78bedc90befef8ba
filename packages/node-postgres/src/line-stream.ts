import { Duplex } from 'node:stream'
import { type LibraryLine, toClosedError } from '@poolhouse/core/net'

type Callback = (error?: Error | null) => void

/**
 * Takes the place of the socket of a `pg.Client`: passes on to the session what that writes, and
 * gives it what the server answers.
 */
export class LineStream extends Duplex {
  readonly #line: LibraryLine
  #isStarting = true
  #onRoom: Callback | undefined
  #isPaused = false

  /** A stream over the line of a session. */
  constructor(line: LibraryLine) {
    super()
    this.#line = line
  }

  /** Whether its reader has stopped before the end of what it was given. */
  get isUnread(): boolean {
    return this.readableLength > 0 && this.isPaused()
  }

  /** The start-up message is behind: what is written from now on goes to the server. */
  started(): void {
    this.#isStarting = false
  }

  /** The socket has room again. */
  drained(): void {
    const onRoom = this.#onRoom
    this.#onRoom = undefined
    onRoom?.()
  }

  /** `pg` connects: the session is there already. */
  connect(): this {
    return this
  }

  /** The session has set it. */
  setNoDelay(): this {
    return this
  }

  /** The session has set it. */
  setKeepAlive(): this {
    return this
  }

  /** Lets the session keep the process alive. */
  ref(): this {
    this.#line.socket.ref()
    return this
  }

  /** Lets the process exit although the session is open. */
  unref(): this {
    this.#line.socket.unref()
    return this
  }

  /** Takes messages of the server. */
  answered(messages: Buffer): void {
    if (this.push(messages)) return
    this.#isPaused = true
    this.#line.pause(true)
  }

  override _read(): void {
    if (!this.#isPaused) return
    this.#isPaused = false
    this.#line.pause(false)
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: Callback): void {
    if (this.#isStarting) {
      done()
      return
    }
    let isOver = false
    let failure: Error | null | undefined
    const hasRoom = this.#line.write(chunk, (error) => {
      isOver = true
      failure = error
    })
    // What is written goes out in order, so that the next piece need not wait for this one; where
    // there is no room, it waits for that.
    if (hasRoom || isOver) done(failure)
    else this.#onRoom = done
  }

  override _writev(
    chunks: readonly { chunk: Buffer; encoding: BufferEncoding }[],
    done: Callback,
  ): void {
    this._write(Buffer.concat(chunks.map(({ chunk }) => chunk)), 'binary', done)
  }

  override _destroy(error: Error | null, done: Callback): void {
    this.#line.end(toClosedError(error ?? new Error('its raw client has ended it')))
    done(error)
  }
}
