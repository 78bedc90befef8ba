import { cpus } from 'node:os'
import { type BaseRow, baseRows } from './base/against-base.js'
import type { BaseBuild } from './base/base-build.js'
import type { Medians } from './interleave.js'
import { type Verdict, verdictLine, verdicts } from './targets.js'

/** What stands in the JSON report for one task. */
export interface TaskReport {
  /** What was measured. */
  readonly task: string
  /** variant → metric → median. */
  readonly medians: Readonly<Record<string, Readonly<Record<string, number>>>>
  /** variant → metric → ours divided by theirs. */
  readonly ratios: Readonly<Record<string, Readonly<Record<string, number>>>>
  /** The targets it is about, and whether they are met. */
  readonly targets: readonly Verdict[]
  /** Ours beside those of the commit that `--base` names. */
  readonly base?: readonly BaseRow[]
}

const OURS = 'poolhouse'

/** Medians and the ratios of ours to each peer. */
export function taskReport(task: string, medians: Medians, base?: BaseBuild): TaskReport {
  const ours = medians.get(OURS)
  const ratios: Record<string, Record<string, number>> = {}
  for (const [variant, metrics] of medians) {
    if (variant === OURS || ours === undefined) continue
    ratios[variant] = Object.fromEntries(
      [...metrics].map(([metric, value]) => [metric, round(ours.get(metric)! / value)]),
    )
  }
  return {
    task,
    medians: Object.fromEntries(
      [...medians].map(([variant, metrics]) => [
        variant,
        Object.fromEntries([...metrics].map(([metric, value]) => [metric, round(value)])),
      ]),
    ),
    ratios,
    // Without peers there is nothing to compare with.
    targets: verdicts(task, medians).filter(({ value }) => !Number.isNaN(value)),
    ...(base && { base: baseRows(task, medians, base).map(rounded) }),
  }
}

/** One task as a table for people: a row for each variant, and what ours is of it. */
export function printTask(report: TaskReport): void {
  const metrics = Object.keys(Object.values(report.medians)[0] ?? {})
  const header = ['', ...metrics.flatMap((metric) => [metric, 'ours ÷ it'])]
  const rows = Object.entries(report.medians).map(([variant, values]) => [
    variant,
    ...metrics.flatMap((metric) => [
      String(values[metric]),
      variant === OURS ? '' : `${report.ratios[variant]?.[metric] ?? ''}`,
    ]),
  ])
  const widths = header.map((_, column) =>
    Math.max(...[header, ...rows].map((row) => row[column]!.length)),
  )
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!),
      )
      .join('  ')
  console.log(`\n${report.task}\n${line(header)}`)
  for (const row of rows) console.log(line(row))
  for (const row of report.base ?? []) console.log(baseLine(row))
  for (const verdict of report.targets) console.log(verdictLine(verdict))
}

function baseLine({ variant, metric, now, base, ratio, atLeast, met }: BaseRow): string {
  const target = atLeast === undefined ? '' : `, target ≥ ${atLeast} ×: ${met ? 'met' : 'MISSED'}`
  return `base    ${variant}: ${metric} ${now}, was ${base}: ${ratio} ×${target}`
}

function rounded(row: BaseRow): BaseRow {
  return {
    ...row,
    now: round(row.now),
    base: round(row.base),
    ratio: Number(row.ratio.toPrecision(3)),
  }
}

/** How many targets are met, and which are not. */
export function printSummary(reports: readonly TaskReport[]): void {
  const promised = reports.flatMap(({ task, base = [] }) =>
    base.filter(({ met }) => met !== undefined).map((row) => ({ task, row })),
  )
  if (promised.length > 0) {
    const good = promised.filter(({ row }) => row.met).length
    console.log(`\n${good} of ${promised.length} targets against the base met`)
    for (const { task, row } of promised) console.log(`${task}: ${baseLine(row)}`)
  }
  const all = reports.flatMap((report) => report.targets)
  if (all.length === 0) return
  const missed = all.filter((verdict) => !verdict.met)
  console.log(`\n${all.length - missed.length} of ${all.length} targets met`)
  for (const verdict of missed) console.log(`${verdict.task}: ${verdictLine(verdict)}`)
}

/** The machine the numbers come from. */
export function machine(): Readonly<Record<string, string | number>> {
  return { node: process.version, cpu: cpus()[0]?.model ?? 'unknown', cores: cpus().length }
}

function round(value: number): number {
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2
  return Number(value.toFixed(digits))
}
