const NONE: Buffer = Buffer.alloc(0)
// Two bytes of the message before ReadyForQuery, and ReadyForQuery itself.
const LENGTH = 8
const STATUS: ReadonlySet<number> = new Set(Buffer.from('ITE'))

/** The end of an unreadable answer. */
export interface UnreadEnd {
  /** Its ReadyForQuery. */
  readonly ready: Buffer
  /** Whether an ErrorResponse came before it. */
  readonly refused: boolean
}

/**
 * Skips the rest of an answer after the parser of `pg` has thrown in the middle of a message, at an
 * unknown offset. Finds the end: a ReadyForQuery as the last bytes received, after the zero byte
 * that ends CommandComplete and ErrorResponse, or after the length of PortalSuspended. No row in
 * text format can look like that: a text has no zero byte, so the `Z` would be a text itself, and
 * its length, 1, would come before it.
 */
export class UnreadAnswer {
  #tail = NONE

  /** Takes bytes of the server. Returns the end once it has come. */
  take(chunk: Buffer): UnreadEnd | undefined {
    const tail = chunk.length >= LENGTH ? chunk : Buffer.concat([this.#tail, chunk])
    this.#tail = Buffer.from(tail.subarray(-LENGTH))
    const ready = this.#tail.subarray(-6)
    const [first, second] = this.#tail
    const isEnd =
      this.#tail.length === LENGTH &&
      (second === 0 || (first === 0 && second === 4)) &&
      ready[0] === 0x5a &&
      ready.readUInt32BE(1) === 5 &&
      STATUS.has(ready[5]!)
    return isEnd ? { ready, refused: first === 0 && second === 0 } : undefined
  }
}
