import { own } from './own.js'

const SUB_BITS = 4
const SUB = 1 << SUB_BITS
const OCTAVES = 32

/**
 * A log-linear histogram of milliseconds, kept in microseconds: 16 steps per power of two, so a
 * percentile is at most 6 % off. Recording costs about 1 ns and allocates nothing.
 */
export class Histogram {
  // Made at the first sample: an idle pool must cost next to nothing.
  #buckets: Uint32Array | undefined
  /** Number of values recorded. */
  readonly count: number = 0
  /** Largest value recorded, in milliseconds; 0 if none. */
  readonly max: number = 0

  /** Records one duration in milliseconds; negative values count as 0. */
  record(ms: number): void {
    this.#buckets ??= new Uint32Array(SUB * OCTAVES)
    if (ms > this.max) own<Histogram>(this).max = ms
    own<Histogram>(this).count++
    const us = ms > 0 ? Math.min(ms * 1000, 0x7fffffff) | 0 : 0
    this.#buckets[bucketOf(us)]!++
  }

  /**
   * The value in milliseconds that `share` (0 to 1) of all samples do not exceed; 0 without
   * samples.
   */
  percentile(share: number): number {
    if (this.#buckets === undefined || this.count === 0) return 0
    let left = Math.ceil(share * this.count)
    for (let index = 0; index < this.#buckets.length; index++) {
      left -= this.#buckets[index]!
      if (left <= 0) return Math.min(upperBound(index) / 1000, this.max)
    }
    return this.max
  }
}

function bucketOf(us: number): number {
  if (us < SUB) return us
  const octave = 31 - Math.clz32(us) - SUB_BITS
  return (octave + 1) * SUB + ((us >>> octave) & (SUB - 1))
}

function upperBound(index: number): number {
  if (index < SUB) return index
  const octave = (index >> SUB_BITS) - 1
  return (SUB + (index & (SUB - 1)) + 1) * 2 ** octave - 1
}
