import type { Measurement, Medians } from '../interleave.js'
import { atBase } from '../target.js'
import type { BaseBuild } from './base-build.js'

/** One number of one of our variants, as it is and as it was. */
export interface BaseRow {
  /** Which of ours. */
  readonly variant: string
  /** What was measured. */
  readonly metric: string
  /** This build. */
  readonly now: number
  /** The base. */
  readonly base: number
  /** `now` divided by `base`. */
  readonly ratio: number
  /** Smallest ratio that is good; undefined where nothing is promised. */
  readonly atLeast?: number
  /** Whether it is good, where something is promised. */
  readonly met?: boolean
}

const OURS = /^poolhouse\b/
// What every build owes the one before: the plain query at the defaults, over each driver.
const AS_WRITTEN: readonly (readonly [task: RegExp, variant: string])[] = [
  [/^point query, \d+ callers?$/, 'poolhouse, as written'],
  [/^postgres\.js, point query, \d+ callers?$/, 'poolhouse'],
]
const AT_LEAST = 0.97

/** Puts the base's counterpart behind each of our variants, so that the two take turns. */
export function withBase(measurements: readonly Measurement[], base: BaseBuild): Measurement[] {
  return measurements.flatMap((measurement) => {
    if (!OURS.test(measurement.variant) || measurement.withBase === false) return [measurement]
    const { variant, script } = measurement
    const label = atBase(variant, base.commit)
    return [measurement, { ...measurement, label, script: base.counterpart(script) }]
  })
}

/** Leaves out everybody else. */
export function oursAlone(measurements: readonly Measurement[]): Measurement[] {
  return measurements.filter(({ variant }) => OURS.test(variant))
}

/** Every number of ours beside that of the base. */
export function baseRows(
  task: string,
  medians: Medians,
  base: Pick<BaseBuild, 'commit'>,
): BaseRow[] {
  return [...medians].flatMap(([variant, metrics]) => {
    const before = medians.get(atBase(variant, base.commit))
    if (before === undefined) return []
    return [...metrics].map(([metric, now]): BaseRow => {
      const row = {
        variant,
        metric,
        now,
        base: before.get(metric)!,
        ratio: now / before.get(metric)!,
      }
      const promised =
        metric === 'calls/s' &&
        AS_WRITTEN.some(([tasks, which]) => tasks.test(task) && which === variant)
      return promised ? { ...row, atLeast: AT_LEAST, met: row.ratio >= AT_LEAST } : row
    })
  })
}
