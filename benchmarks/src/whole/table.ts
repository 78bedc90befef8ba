import { markdown } from '../lines.js'
import { atBase, limitOf, short, type Target, type Verdict } from '../target.js'
import type { TaskReport } from '../task-report.js'

/** Header of a column, and the variant that stands in it. */
type Column = readonly [header: string, variant: string]

const OURS: readonly Column[] = [
  ['auto, pg', 'poolhouse'],
  ['auto, postgres.js', 'poolhouse over postgres.js'],
  ['default, pg', 'poolhouse, default'],
  ['default, postgres.js', 'poolhouse over postgres.js, default'],
]
const ALL: readonly Column[] = [
  ...OURS,
  ['off, pg', 'poolhouse, multiplex: false'],
  ['off, postgres.js', 'poolhouse over postgres.js, multiplex: false'],
  ['pg.Pool, named', 'pg.Pool, named'],
  ['pg.Pool', 'pg.Pool, as written'],
  ['postgres.js', 'postgres.js'],
  ['slonik', 'slonik'],
  ['raw', 'raw'],
]

/** Where the numbers of a variant stand. */
interface Place {
  /** The variant of the column. */
  readonly column: string
  /** What the row says beside the task, such as `, core alone`. */
  readonly form: string
}

/**
 * Every number of these tasks as one table of Markdown: a row for each number of each task, a
 * column for each contender that took part. `commit` is that of the base.
 */
export function numbersTable(reports: readonly TaskReport[], commit?: string): string[] {
  const columns = [...ALL, ...baseColumns(commit)].filter(([, column]) =>
    reports.some(({ medians }) =>
      Object.keys(medians).some((variant) => placeOf(variant, commit).column === column),
    ),
  )
  const rows = reports.flatMap((report) => rowsOf(report, columns, commit))
  return markdown([['', '', ...columns.map(([header]) => header)], ...rows])
}

/** The base has a column over each driver. */
function baseColumns(commit: string | undefined): Column[] {
  if (commit === undefined) return []
  return OURS.slice(0, 2).map(([header, variant]) => [
    header.replace('auto', commit),
    atBase(variant, commit),
  ])
}

function rowsOf(
  { task, medians }: TaskReport,
  columns: readonly Column[],
  commit: string | undefined,
): string[][] {
  const taken = Object.entries(medians).map(([variant, values]) => ({
    ...placeOf(variant, commit),
    values,
  }))
  const metrics = Object.keys(taken[0]?.values ?? {})
  return [...new Set(taken.map(({ form }) => form))].flatMap((row) =>
    metrics.map((metric) => [
      `${task}${row}`,
      metric,
      ...columns.map(([, variant]) =>
        cell(taken.find(({ column, form }) => column === variant && form === row)?.values[metric]),
      ),
    ]),
  )
}

/** A variant that has no column of its own stands in that of the variant it is a form of. */
function placeOf(variant: string, commit: string | undefined): Place {
  const mark = commit === undefined ? '' : atBase('', commit)
  const isOfBase = mark !== '' && variant.endsWith(mark)
  const name = isOfBase ? variant.slice(0, -mark.length) : variant
  const found =
    ALL.find(([, column]) => column === name) ??
    OURS.find(([, column]) => name.startsWith(`${column}, `))
  const column = found?.[1] ?? name
  return { column: isOfBase ? `${column}${mark}` : column, form: name.slice(column.length) }
}

function cell(value: number | undefined): string {
  return value === undefined ? '' : value.toLocaleString('en', { maximumFractionDigits: 3 })
}

/**
 * The targets of these tasks as a table of Markdown: what must be reached, what is hoped for, and
 * what each of ours reached.
 */
export function targetsTable(targets: readonly Target[], reports: readonly TaskReport[]): string[] {
  const verdicts = reports.flatMap((report) => report.targets)
  const rows = new Map<string, string[]>()
  for (const target of targets) {
    const { what, task, ours, aim } = target
    if (!reports.some((report) => report.task === task)) continue
    const head = [what!, `${limitOf(target)} ×`, aim === undefined ? '' : `${aim} ×`]
    const row = rows.get(what!) ?? [...head, ...OURS.map(() => '')]
    const column = OURS.findIndex(([, variant]) => variant === placeOf(ours!, undefined).column)
    row[head.length + column] = verdictCell(
      verdicts.find((verdict) => verdict.what === what && verdict.ours === ours),
    )
    rows.set(what!, row)
  }
  return markdown([['', 'must', 'aim', ...OURS.map(([header]) => header)], ...rows.values()])
}

function verdictCell(verdict: Verdict | undefined): string {
  if (verdict === undefined) return 'not measured'
  const value = `${short(verdict.value)} ×`
  return verdict.met ? `${value}, met` : `${value}, **missed**`
}
