import type { Medians } from './interleave.js'

/** One promise about one number, as it stands in the README. */
export interface Target {
  /** Task it is about. */
  readonly task: string
  /** Metric of that task. */
  readonly metric: string
  /** Which of ours; default `poolhouse`. */
  readonly ours?: string
  /**
   * Compared with whom, as a ratio; undefined for a number of its own; `minus` for a difference.
   */
  readonly peer?: string
  /** Compared with itself in the commit that `--base` names. Default false. */
  readonly withBase?: boolean
  /** Ours minus the peer's instead of ours divided by it. */
  readonly difference?: boolean
  /** Largest value that is good. */
  readonly atMost?: number
  /** Smallest value that is good. */
  readonly atLeast?: number
  /** Enough instead of `atLeast`, where it is less: this share of the number of that variant. */
  readonly orShareOf?: readonly [share: number, variant: string]
  /** What it is called in the table at the end; undefined for one that is not listed there. */
  readonly what?: string
  /** Value that is hoped for. */
  readonly aim?: number
}

/** A target and what was measured. */
export interface Verdict extends Target {
  /** The ratio, difference or number. */
  readonly value: number
  /** Whether it is good. */
  readonly met: boolean
}

/** What a variant of ours is called when the base is measured. */
export function atBase(variant: string, commit: string): string {
  return `${variant} at ${commit}`
}

/**
 * What became of a target of the task that the medians are of; `commit` is that of the base. Its
 * value is not a number where something that it needs was not measured.
 */
export function verdictOf(target: Target, medians: Medians, commit?: string): Verdict {
  const value = measured(target, medians, commit)
  const atLeast = leastThatIsEnough(target, medians)
  const { atMost = Number.POSITIVE_INFINITY } = target
  return {
    ...target,
    ...(atLeast !== undefined && { atLeast }),
    value,
    met: value <= atMost && value >= (atLeast ?? Number.NEGATIVE_INFINITY),
  }
}

function measured(target: Target, medians: Medians, commit: string | undefined): number {
  const { ours = OURS, peer, withBase, difference, metric } = target
  const own = numberOf(medians, ours, metric)
  if (withBase) {
    return commit === undefined ? Number.NaN : own / numberOf(medians, atBase(ours, commit), metric)
  }
  if (peer === undefined) return own
  const theirs = numberOf(medians, peer, metric)
  return difference ? own - theirs : own / theirs
}

function leastThatIsEnough(target: Target, medians: Medians): number | undefined {
  const { atLeast, orShareOf, peer, metric } = target
  if (atLeast === undefined || orShareOf === undefined || peer === undefined) return atLeast
  const [share, limit] = orShareOf
  const reachable = numberOf(medians, limit, metric) / numberOf(medians, peer, metric)
  return Number.isNaN(reachable) ? atLeast : Math.min(atLeast, share * reachable)
}

const OURS = 'poolhouse'

function numberOf(medians: Medians, variant: string, metric: string): number {
  return medians.get(variant)?.get(metric) ?? Number.NaN
}

/** One verdict as a line for people. */
export function verdictLine(verdict: Verdict): string {
  const { ours = OURS, metric, difference, value, met } = verdict
  const peer = verdict.withBase ? 'the base' : verdict.peer
  const what = peer === undefined ? metric : `${metric} ${difference ? '−' : '÷'} ${peer}`
  return `target  ${ours}: ${what} ${limitOf(verdict)}: ${short(value)}, ${met ? 'met' : 'MISSED'}`
}

/** What must be reached, such as `≥ 1.2`. */
export function limitOf({ atMost, atLeast }: Target): string {
  return atMost === undefined ? `≥ ${short(atLeast!)}` : `≤ ${short(atMost)}`
}

/** A number with three digits that count. */
export function short(value: number): number {
  return Number(value.toPrecision(3))
}
