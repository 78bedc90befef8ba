/** One message of the PostgreSQL protocol, version 3. */
export interface Frame {
  /** The type byte as a character, or `''` for the untyped messages that open a connection. */
  readonly type: string
  /** What follows the length field. */
  readonly body: Buffer
  /** The whole message as it was received, type and length included. */
  readonly raw: Buffer
}

/** Longest opening message a PostgreSQL server accepts, in bytes (`MAX_STARTUP_PACKET_LENGTH`). */
const MAX_OPENING_BYTES = 10_000

/** Tells that the bytes are not PostgreSQL's protocol, so that no frame can be read from them. */
export class NotAFrameError extends Error {
  override name = 'NotAFrameError'
}

/**
 * Cuts a stream of bytes into protocol messages. It starts with the untyped messages that a client
 * opens a connection with; `typed()` switches to the messages with a type byte. `push` throws
 * {@link NotAFrameError} for a length no server would accept; `rest()` then still has every byte
 * that belongs to no frame.
 */
export class FrameReader {
  #typed: boolean
  #chunks: Buffer[] = []
  #size = 0
  /**
   * Bytes that must be there before it is worth looking again; keeps a large message from being
   * joined at each chunk.
   */
  #wanted = 0

  constructor(options: { typed?: boolean } = {}) {
    this.#typed = options.typed ?? false
  }

  /** From the next frame on, messages carry a type byte. */
  typed(): void {
    this.#typed = true
    this.#wanted = 0
  }

  /** Adds bytes; take the frames with `next()`. */
  push(chunk: Buffer): void {
    this.#chunks.push(chunk)
    this.#size += chunk.length
  }

  /** The next whole frame, or `undefined` until more bytes are pushed. */
  next(): Frame | undefined {
    const header = this.#typed ? 5 : 4
    if (this.#size < header || this.#size < this.#wanted) return undefined
    const bytes = this.#joined()
    const length = bytes.readInt32BE(header - 4)
    if (length < 4 || (!this.#typed && (length < 8 || length > MAX_OPENING_BYTES))) {
      throw new NotAFrameError(`a message length of ${length} bytes is not the PostgreSQL protocol`)
    }
    const total = header - 4 + length
    if (bytes.length < total) {
      this.#wanted = total
      return undefined
    }
    this.#wanted = 0
    this.#chunks = bytes.length === total ? [] : [bytes.subarray(total)]
    this.#size = bytes.length - total
    return {
      type: this.#typed ? String.fromCharCode(bytes[0]!) : '',
      body: bytes.subarray(header, total),
      raw: bytes.subarray(0, total),
    }
  }

  /** Takes the bytes that do not make a whole frame (yet). */
  rest(): Buffer {
    const bytes = this.#joined()
    this.#chunks = []
    this.#size = 0
    this.#wanted = 0
    return bytes
  }

  #joined(): Buffer {
    if (this.#chunks.length === 1) return this.#chunks[0]!
    const bytes = Buffer.concat(this.#chunks)
    this.#chunks = bytes.length > 0 ? [bytes] : []
    return bytes
  }
}
