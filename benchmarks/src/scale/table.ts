import type { TaskReport } from '../task-report.js'
import { scaleTasks } from './tasks.js'

const MOST = 1.3
const NAMES: Readonly<Record<string, string>> = { us: 'time', 'CPU us': 'CPU', bytes: 'memory' }

/** What a unit costs as there are ten times as many, as a table of Markdown. */
export function scaleTable(tasks: readonly TaskReport[]): string[] {
  const lines = [
    '| what | count | time each | CPU each | memory each | × ten | time | CPU | memory |',
    '| --- | --- | --- | --- | --- | --- | --- | --- | --- |',
  ]
  for (const { task, medians } of tasks) {
    const { least } = scaleTasks[task]!
    const each = (count: number, metric: string): number | undefined => {
      const value = medians[String(count)]?.[metric]
      return value === undefined ? undefined : value / count
    }
    const small = Object.keys(NAMES).map((metric) => show(metric, each(least, metric)))
    const ratios = Object.keys(NAMES).map((metric) => {
      const [one, ten] = [each(least, metric), each(10 * least, metric)]
      if (one === undefined || ten === undefined) return ''
      const ratio = ten / one
      return `${ratio.toFixed(2)} ×${ratio > MOST ? ' **above**' : ''}`
    })
    const cells = [task, count(least), ...small, count(10 * least), ...ratios]
    lines.push(`| ${cells.join(' | ')} |`)
  }
  return lines
}

const count = (value: number): string => value.toLocaleString('en')

function show(metric: string, value: number | undefined): string {
  if (value === undefined) return ''
  const digits = value < 10 ? 2 : 0
  return metric === 'bytes' ? `${value.toFixed(0)} B` : `${value.toFixed(digits)} µs`
}
