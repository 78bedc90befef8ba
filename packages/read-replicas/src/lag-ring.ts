interface Sample {
  /** When the question was sent, in client time: at this moment the primary had not gone beyond `lsn`. */
  readonly at: number
  readonly lsn: bigint
}

// When it is full every second one of the older half goes: the memory is bounded and the reach into the past is not.
const MOST_SAMPLES = 256
const PAGE_BYTES = 8_192n
const LONGEST_PAGE_HEADER = 40n

/**
 * Where the primary's log ended and when we asked: what it takes to say how old a replica's data is with the client's clock
 * alone. A primary that writes nothing makes nobody late.
 */
export class LagRing {
  #samples: Sample[] = []

  /** Notes where the primary's log ended. A position before the last one is another primary's: the past means nothing then. */
  add(sentAt: number, position: bigint): void {
    const lsn = endOfLastRecord(position)
    const last = this.#samples.at(-1)
    if (last !== undefined && lsn < last.lsn) this.#samples = []
    // Of two samples at one position only the later one can tell anything.
    else if (last?.lsn === lsn) this.#samples.pop()
    this.#samples.push({ at: sentAt, lsn })
    if (this.#samples.length > MOST_SAMPLES) this.#thinOut()
  }

  /** Everything committed before this time is visible to a server that has replayed to `lsn`; undefined if that cannot be told. */
  reachedAt(lsn: bigint): number | undefined {
    let low = 0
    let high = this.#samples.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#samples[middle]!.lsn <= lsn) low = middle + 1
      else high = middle
    }
    return this.#samples[low - 1]?.at
  }

  #thinOut(): void {
    const half = MOST_SAMPLES / 2
    this.#samples = this.#samples.filter((_, index) => index >= half || index % 2 === 0)
  }
}

/**
 * The insert position stands behind the header of a new page as soon as the last record fills the page before it, while a
 * replica that has replayed that record stands at the end of the page. An idle primary may stay there for hours.
 */
function endOfLastRecord(position: bigint): bigint {
  const offset = position % PAGE_BYTES
  return offset <= LONGEST_PAGE_HEADER ? position - offset : position
}
