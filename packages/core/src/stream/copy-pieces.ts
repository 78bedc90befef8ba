import { describeValue } from '../base/option-check.js'
import { COPY_PIECE_BYTES } from '../slot/silence.js'

/**
 * Gathers the chunks of a source, of any size, into pieces of at most `COPY_PIECE_BYTES`, one
 * message each. Strings become UTF-8; a surrogate pair may be split between two chunks. Nothing of
 * a small chunk is kept, so a source may use its buffer again.
 */
export class CopyPieces {
  // At most one of them has anything in it.
  #text = ''
  #bytes: Buffer | undefined
  #used = 0;

  /**
   * Takes one chunk; yields the pieces that are full. Throws `TypeError` for anything but a string
   * or bytes.
   */
  *add(chunk: unknown): Generator<Uint8Array> {
    if (typeof chunk === 'string') {
      if (this.#used > 0) yield this.#takeBytes()
      this.#text += chunk
      if (this.#text.length >= COPY_PIECE_BYTES) yield* this.#takeText(false)
    } else if (chunk instanceof Uint8Array) {
      if (this.#text !== '') yield* this.#takeText(true)
      yield* this.#addBytes(chunk)
    } else {
      throw new TypeError(
        `copyFrom: the source must give strings or Uint8Arrays, got ${describeValue(chunk)}`,
      )
    }
  }

  /** What is left at the end. */
  *rest(): Generator<Uint8Array> {
    if (this.#text !== '') yield* this.#takeText(true)
    if (this.#used > 0) yield this.#takeBytes()
  }

  *#takeText(all: boolean): Generator<Uint8Array> {
    const text = this.#text
    let start = 0
    while (text.length - start >= COPY_PIECE_BYTES || (all && start < text.length)) {
      let end = Math.min(text.length, start + COPY_PIECE_BYTES)
      // Half of a pair would be sent as a replacement character.
      if (isHighSurrogate(text.charCodeAt(end - 1)) && (end < text.length || !all)) end--
      yield* piecesOf(Buffer.from(text.slice(start, end)))
      start = end
    }
    this.#text = text.slice(start)
  }

  *#addBytes(chunk: Uint8Array): Generator<Uint8Array> {
    if (this.#used + chunk.length > COPY_PIECE_BYTES && this.#used > 0) yield this.#takeBytes()
    if (chunk.length >= COPY_PIECE_BYTES) {
      yield* piecesOf(chunk)
      return
    }
    this.#bytes ??= Buffer.allocUnsafeSlow(COPY_PIECE_BYTES)
    this.#bytes.set(chunk, this.#used)
    this.#used += chunk.length
  }

  #takeBytes(): Uint8Array {
    const bytes = this.#bytes!.subarray(0, this.#used)
    // The socket may hold it for longer than the next chunk takes.
    this.#bytes = undefined
    this.#used = 0
    return bytes
  }
}

function* piecesOf(bytes: Uint8Array): Generator<Uint8Array> {
  for (let start = 0; start < bytes.length; start += COPY_PIECE_BYTES) {
    yield bytes.subarray(start, start + COPY_PIECE_BYTES)
  }
}

function isHighSurrogate(code: number): boolean {
  return code >= 0xd800 && code <= 0xdbff
}
