import { cpus } from 'node:os'
import { type BaseRow, baseRows } from './base/against-base.js'
import type { BaseBuild } from './base/base-build.js'
import type { Interleaved } from './interleave.js'
import { aligned, markdown } from './lines.js'
import { limitOf, short, type Target, verdictLine } from './target.js'
import { verdicts } from './targets.js'
import type { TaskReport } from './task-report.js'

const OURS = 'poolhouse'

/** Medians and the ratios of ours to each peer. */
export function taskReport(
  task: string,
  { medians, leftOut }: Interleaved,
  base?: BaseBuild,
): TaskReport {
  const ours = medians.get(OURS)
  const ratios: Record<string, Record<string, number>> = {}
  for (const [variant, metrics] of medians) {
    if (variant === OURS || ours === undefined) continue
    ratios[variant] = Object.fromEntries(
      [...metrics]
        .filter(([, value]) => value !== 0)
        .map(([metric, value]) => [metric, round(ours.get(metric)! / value)]),
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
    targets: verdicts(task, medians, base?.commit).filter(({ value }) => !Number.isNaN(value)),
    leftOut: Object.fromEntries(leftOut),
    ...(base && { base: baseRows(task, medians, base).map(rounded) }),
  }
}

/** One task as a table for people: a row for each variant, and what ours is of it. */
export function printTask(report: TaskReport): void {
  const metrics = [...new Set(Object.values(report.medians).flatMap(Object.keys))]
  const isCompared = report.medians[OURS] !== undefined
  const header = [
    '',
    ...metrics.flatMap((metric) => [metric, ...(isCompared ? ['ours ÷ it'] : [])]),
  ]
  const rows = Object.entries(report.medians).map(([variant, values]) => [
    variant,
    ...metrics.flatMap((metric) => [
      `${values[metric] ?? '–'}`,
      ...(isCompared ? [`${report.ratios[variant]?.[metric] ?? ''}`] : []),
    ]),
  ])
  console.log(`\n${report.task}`)
  for (const line of aligned([header, ...rows])) console.log(line)
  for (const [variant, why] of Object.entries(report.leftOut)) {
    console.log(`left out ${variant}: ${why}`)
  }
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

/**
 * Every target of these tasks that has a name, with what was measured, as one table, to be copied
 * into the README.
 */
export function printTargets(targets: readonly Target[], reports: readonly TaskReport[]): void {
  const judged = reports.flatMap((report) => report.targets)
  const tasks = new Set(reports.map(({ task }) => task))
  const rows = targets
    .filter(({ what, task }) => what !== undefined && tasks.has(task))
    .map((target) => {
      const verdict = judged.find(({ what }) => what === target.what)
      const { aim } = target
      return [
        target.what!,
        verdict === undefined ? '–' : `${short(verdict.value)} ×`,
        `${limitOf(verdict ?? target)} ×`,
        aim === undefined ? '' : `${aim} ×`,
        verdict === undefined ? whyNot(target) : verdict.met ? 'met' : 'MISSED',
      ]
    })
  if (rows.length === 0) return
  console.log('')
  for (const line of markdown([['what', 'measured', 'must', 'aim', ''], ...rows])) console.log(line)
}

function whyNot({ withBase }: Target): string {
  return withBase ? 'not measured: needs --base' : 'not measured'
}

/** The machine the numbers come from. */
export function machine(): Readonly<Record<string, string | number>> {
  return { node: process.version, cpu: cpus()[0]?.model ?? 'unknown', cores: cpus().length }
}

function round(value: number): number {
  const size = Math.abs(value)
  const digits = size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3
  return Number(value.toFixed(digits))
}
