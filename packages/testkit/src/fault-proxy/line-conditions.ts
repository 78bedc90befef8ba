/** What the line does to the bytes of one direction, for every connection of a proxy. */
export interface LineConditions {
  /** Time that each byte spends on the line, in milliseconds. */
  delayMs: number
  /**
   * Up to this much is added to the delay of each piece, in milliseconds. The order of bytes is
   * kept all the same.
   */
  jitterMs: number
  /** Numbers in [0, 1) for the jitter. */
  random: () => number
  /** Bytes let through per second; `Infinity` means no limit. */
  bytesPerSecond: number
  /** Nothing comes out of the line, not even the end of a connection. */
  blackHole: boolean
  /** Bytes are swallowed, the end of a connection is passed on. */
  swallow: boolean
}

/** A direction of the line, seen from the proxy. */
export type Direction = 'both' | 'to-server' | 'to-client'

/** A line that does nothing to what it carries. */
export function clearLine(): LineConditions {
  return {
    delayMs: 0,
    jitterMs: 0,
    random: Math.random,
    bytesPerSecond: Number.POSITIVE_INFINITY,
    blackHole: false,
    swallow: false,
  }
}
