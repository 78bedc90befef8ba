import { ProtocolError } from './login-error.js'

// Kind and length.
const HEADER = 5
// What the server's own buffers can hold; anything longer is not the protocol.
const LONGEST = 0x3fff_ffff
const NONE: Buffer = Buffer.alloc(0)

/**
 * Walks the frames of a server's messages over the borders of chunks. Only frames that lie across
 * chunks are copied.
 *
 * ```ts
 * walker.push(chunk)
 * while (walker.next()) take(walker.buffer, walker.from, walker.to)
 * ```
 */
export class FrameWalker {
  /** Holds the frame found last. */
  buffer: Buffer = NONE
  /** Where the frame found last begins, with the byte of its kind and the four of its length. */
  from: number = 0
  /** Where it ends. */
  to: number = 0
  /** What came behind the buffer, to be joined with it once that is enough to go on. */
  #parts: Buffer[] | undefined
  #partBytes = 0
  /**
   * How many bytes there have to be. It is that of the header unless `next` has seen the length of
   * the frame to come.
   */
  #needed: number = HEADER
  #stopped = false

  /**
   * Takes a chunk as it came. To be called when `next` has said that there is nothing left, or
   * before it was asked.
   */
  push(chunk: Buffer): void {
    if (this.#stopped) return
    const left = this.buffer.length - this.to
    if (left === 0) {
      this.buffer = chunk
      this.to = 0
      return
    }
    this.#parts ??= []
    this.#parts.push(chunk)
    this.#partBytes += chunk.length
    if (left + this.#partBytes < this.#needed) return
    this.#go(Buffer.concat([this.buffer.subarray(this.to), ...this.#parts]))
  }

  /**
   * Goes on to the next frame; false if it is not whole yet. Throws `ProtocolError` when no message
   * has that length.
   */
  next(): boolean {
    const { buffer, to: at } = this
    const left = buffer.length - at
    if (left < HEADER) {
      // An idle session keeps no chunk.
      if (left === 0) {
        this.buffer = NONE
        this.to = 0
      }
      return false
    }
    const length = buffer.readUInt32BE(at + 1)
    if (length < 4 || length > LONGEST) {
      throw new ProtocolError(`the server sent a message of an impossible length (${length} bytes)`)
    }
    if (left <= length) {
      this.#needed = length + 1
      return false
    }
    this.from = at
    this.to = at + length + 1
    return true
  }

  /** The kind of the frame to come, as its byte; undefined if nothing of it is there. */
  get nextKind(): number | undefined {
    return this.buffer[this.to]
  }

  /**
   * The length that the frame to come says of itself, which leaves out its kind; undefined if that
   * is not there yet.
   */
  get nextLength(): number | undefined {
    const { buffer, to } = this
    return buffer.length - to < HEADER ? undefined : buffer.readUInt32BE(to + 1)
  }

  /** Bytes that came and were not walked over. */
  get waiting(): number {
    return this.buffer.length - this.to + this.#partBytes
  }

  /** Takes away what came and was not walked over. */
  rest(): Buffer {
    const rest = Buffer.concat([this.buffer.subarray(this.to), ...(this.#parts ?? [])])
    this.#go(NONE)
    return rest
  }

  /** Finds nothing more, not even in what has come already. */
  stop(): void {
    this.#stopped = true
    this.#go(NONE)
  }

  #go(buffer: Buffer): void {
    this.buffer = buffer
    this.from = 0
    this.to = 0
    this.#needed = HEADER
    this.#parts = undefined
    this.#partBytes = 0
  }
}
