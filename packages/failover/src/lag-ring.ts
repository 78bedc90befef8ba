interface Sample {
  /** When the probe was sent, in client time: at this moment the primary had not gone beyond `lsn`. */
  readonly at: number
  readonly lsn: bigint
}

// Four minutes at one sample a second on a busy primary; an idle one needs a single place.
const MOST_SAMPLES = 256

/**
 * How old a replica's data is, measured with the client's clock alone: where the primary's log ended and when we asked. No
 * server clock takes part, and a primary that writes nothing makes nobody late.
 */
export class LagRing {
  #samples: Sample[] = []
  #source: string | undefined

  /** Notes where the primary's log ended. `source` names node and timeline; positions of another source mean nothing here. */
  add(source: string, sentAt: number, lsn: bigint): void {
    if (source !== this.#source) {
      this.#source = source
      this.#samples = []
    }
    const last = this.#samples.at(-1)
    if (last !== undefined && (sentAt < last.at || lsn < last.lsn)) return
    // Of two samples at one position only the later one can tell anything.
    if (last?.lsn === lsn) this.#samples.pop()
    this.#samples.push({ at: sentAt, lsn })
    if (this.#samples.length > MOST_SAMPLES) this.#samples.shift()
  }

  /**
   * Upper bound of the staleness of a replica that has replayed to `lsn`, in milliseconds: the age of the newest sample it
   * has reached. Undefined if it has reached none.
   */
  staleness(lsn: bigint, now: number): number | undefined {
    let low = 0
    let high = this.#samples.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#samples[middle]!.lsn <= lsn) low = middle + 1
      else high = middle
    }
    const reached = this.#samples[low - 1]
    return reached === undefined ? undefined : Math.max(0, now - reached.at)
  }

  /** Write-ahead log between `lsn` and the newest sample, in bytes; 0 if the replica is ahead of it. */
  bytesBehind(lsn: bigint): number | undefined {
    const last = this.#samples.at(-1)
    if (last === undefined) return undefined
    return last.lsn > lsn ? Number(last.lsn - lsn) : 0
  }
}
