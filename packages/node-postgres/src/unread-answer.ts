const NONE: Buffer = Buffer.alloc(0)
// The end of the message before it, and ReadyForQuery.
const LENGTH = 8
const STATUS: ReadonlySet<number> = new Set(Buffer.from('ITE'))

/** How an answer ended that could not be read. */
export interface UnreadEnd {
  /** The ReadyForQuery that was at its end. */
  readonly ready: Buffer
  /** Whether the server said an error before it. */
  readonly refused: boolean
}

/**
 * The rest of an answer whose messages cannot be told apart any more, because the parser of `pg`
 * has thrown in the middle of one and says not where. Finds its end: ReadyForQuery as the last
 * bytes that have come, behind the zero byte that ends CommandComplete and ErrorResponse, or behind
 * the length of PortalSuspended. Nothing inside a row in text format looks like that: no text has a
 * zero byte, so that the `Z` would be a text of its own, and before that is its length, 1.
 */
export class UnreadAnswer {
  #tail = NONE

  /** Takes bytes of the server. The end, once it is there. */
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
