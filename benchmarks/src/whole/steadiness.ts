import type { Sample } from '../interleave.js'

const WINDOW = 5
/** What the rate at the end divided by the best one is called. */
export const LAST = 'last ÷ best 5 s'

/** Calls that were answered, counted by the second. */
export interface SecondCounts {
  /** One count for each whole second. */
  readonly counts: Uint32Array
  /** Counts a call that was answered so many milliseconds after the start. */
  add(ms: number): void
}

/** Counts for so many seconds; what is answered later is left out. */
export function perSecond(seconds: number): SecondCounts {
  const counts = new Uint32Array(seconds)
  return {
    counts,
    add(ms) {
      const second = Math.floor(ms / 1_000)
      if (second < seconds) counts[second]!++
    },
  }
}

/** The rate over all, and that of the last five seconds divided by that of the best five. */
export function steadiness(counts: Uint32Array): Sample {
  const windows = Array.from({ length: counts.length - WINDOW + 1 }, (_, at) =>
    sum(counts.subarray(at, at + WINDOW)),
  )
  return {
    'calls/s': sum(counts) / counts.length,
    [LAST]: windows.at(-1)! / Math.max(...windows),
  }
}

function sum(counts: Uint32Array): number {
  return counts.reduce((total, count) => total + count, 0)
}
