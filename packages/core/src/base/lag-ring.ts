import { endOfLastRecord, LEAST_COMMIT_BYTES } from './log-end.js'

interface Sample {
  /**
   * When the question was sent, in client time: at this moment the primary had not gone beyond
   * `lsn`.
   */
  readonly at: number
  readonly lsn: bigint
}

// When it is full every second one of the older half goes: the memory is bounded and the reach into
// the past is not.
const MOST_SAMPLES = 256

/**
 * Where the primary's log ended and when we asked: what it takes to say how old a replica's data is
 * with the client's clock alone. No server clock takes part, and an idle primary does not look like
 * lag.
 */
export class LagRing {
  #samples: Sample[] = []
  #source: string | undefined

  /**
   * Notes where the primary's log ended. `source` names node and timeline, as far as they are
   * known: positions of another source mean nothing here. A sample older than the newest is
   * ignored; a position before the last one is another primary's, unless it is less than a commit
   * before that: then the last one counted an unflushed record that commits nothing.
   */
  add(source: string, sentAt: number, position: bigint): void {
    const lsn = endOfLastRecord(position)
    const last = this.#samples.at(-1)
    if (source !== this.#source) {
      this.#source = source
      this.#samples = []
    } else if (last !== undefined) {
      if (sentAt < last.at) return
      if (last.lsn - lsn >= LEAST_COMMIT_BYTES) this.#samples = []
      // Of two samples at one position only the later one can tell anything.
      while (this.#samples.length > 0 && this.#samples.at(-1)!.lsn >= lsn) this.#samples.pop()
    }
    this.#samples.push({ at: sentAt, lsn })
    if (this.#samples.length > MOST_SAMPLES) this.#thinOut()
  }

  /**
   * Everything committed before this time is visible to a server that has replayed to `lsn`;
   * undefined if that cannot be told.
   */
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

  /**
   * Upper bound of the staleness of a server that has replayed to `lsn`, in milliseconds; undefined
   * if it cannot be told.
   */
  staleness(lsn: bigint, now: number): number | undefined {
    const at = this.reachedAt(lsn)
    return at === undefined ? undefined : Math.max(0, now - at)
  }

  /**
   * Write-ahead log between `lsn` and the newest sample, in bytes; 0 if the server is ahead of it,
   * undefined without samples.
   */
  bytesBehind(lsn: bigint): number | undefined {
    const last = this.#samples.at(-1)
    if (last === undefined) return undefined
    return last.lsn > lsn ? Number(last.lsn - lsn) : 0
  }

  #thinOut(): void {
    const half = MOST_SAMPLES / 2
    this.#samples = this.#samples.filter((_, index) => index >= half || index % 2 === 0)
  }
}
