import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { LeftOutNote } from './left-out.js'

const run = promisify(execFile)
const LIMIT_MS = 120_000

/** Named numbers of one measurement. */
export type Sample = Readonly<Record<string, number>>

/** One measurement: a script, its arguments, and what it is called. */
export interface Measurement {
  /** What is measured. */
  readonly task: string
  /** Who is measured; the script is told. */
  readonly variant: string
  /** What it is called beside the others. Default: `variant`. */
  readonly label?: string
  /** Script that prints a sample as JSON. */
  readonly script: string
  /** Environment of its process. */
  readonly env?: Readonly<Record<string, string>>
  /**
   * Whether the commit that `--base` names is measured too, where it is one of ours. Default true.
   */
  readonly withBase?: false
}

/** Medians of one task: variant → metric → value. */
export type Medians = Map<string, Map<string, number>>

/** What came of one task. */
export interface Interleaved {
  /** Who was measured. */
  readonly medians: Medians
  /** Who could not be: variant → why. */
  readonly leftOut: ReadonlyMap<string, string>
}

/**
 * Runs one measurement in a process of its own, so that none inherits another's heap or compiled
 * code.
 */
async function sample(measurement: Measurement): Promise<Sample | LeftOutNote> {
  const { script, task, variant, env } = measurement
  const { stdout } = await run(process.execPath, ['--expose-gc', script, task, variant], {
    env: { ...process.env, ...env },
    timeout: LIMIT_MS,
    // A stalled event loop answers no gentler signal.
    killSignal: 'SIGKILL',
  })
  return JSON.parse(stdout.slice(stdout.lastIndexOf('{'))) as Sample | LeftOutNote
}

/**
 * Measures all variants of a task round by round, in alternating order, so that other load on the
 * machine meets all of them alike, and takes the median of each number. A variant that says that it
 * cannot be measured is not asked again.
 */
export async function interleave(
  measurements: readonly Measurement[],
  rounds: number,
): Promise<Interleaved> {
  const samples = new Map<string, Sample[]>()
  const leftOut = new Map<string, string>()
  for (let round = 0; round < rounds; round++) {
    const order = round % 2 === 0 ? measurements : measurements.toReversed()
    for (const measurement of order) {
      const label = labelOf(measurement)
      if (leftOut.has(label)) continue
      const taken = await sample(measurement)
      if (isLeftOut(taken)) {
        leftOut.set(label, taken.leftOut)
        continue
      }
      const list = samples.get(label) ?? []
      list.push(taken)
      samples.set(label, list)
    }
  }
  const measured = measurements.map(labelOf).filter((label) => samples.has(label))
  const medians = new Map(measured.map((label) => [label, mediansOf(samples.get(label)!)]))
  return { medians, leftOut }
}

function isLeftOut(taken: Sample | LeftOutNote): taken is LeftOutNote {
  return typeof taken['leftOut'] === 'string'
}

function mediansOf(samples: readonly Sample[]): Map<string, number> {
  const metrics = Object.keys(samples[0]!)
  return new Map(metrics.map((metric) => [metric, median(samples.map((s) => s[metric]!))]))
}

function labelOf({ label, variant }: Measurement): string {
  return label ?? variant
}

/** The middle value. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}
