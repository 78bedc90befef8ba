import { describe, expect, test } from 'vitest'
import { taskReport } from '../src/report.js'
import { atBase } from '../src/target.js'
import { numbersTable, targetsTable } from '../src/whole/table.js'
import { wholeTargets } from '../src/whole/targets.js'
import { pointTask, STACK, wholeTasks } from '../src/whole/tasks.js'

const BASE = 'abc1234'
const TASK = pointTask(100)

function report(task: string, values: Readonly<Record<string, Readonly<Record<string, number>>>>) {
  const medians = new Map(
    Object.entries(values).map(([variant, metrics]) => [variant, new Map(Object.entries(metrics))]),
  )
  const base = { commit: BASE } as Parameters<typeof taskReport>[2]
  return taskReport(task, { medians, leftOut: new Map() }, base)
}

const point = report(TASK, {
  poolhouse: { 'calls/s': 60_000 },
  [atBase('poolhouse', BASE)]: { 'calls/s': 20_000 },
  'poolhouse, default': { 'calls/s': 30_000 },
  [atBase('poolhouse, default', BASE)]: { 'calls/s': 1 },
  'pg.Pool, named': { 'calls/s': 20_000 },
})

const cells = (line: string): string[] =>
  line
    .split('|')
    .slice(1, -1)
    .map((cell) => cell.trim())

describe('numbersTable', () => {
  test('has a column for each contender that took part, and one for the base', () => {
    const [header, , ...rows] = numbersTable([point], BASE)
    expect(cells(header!)).toEqual([
      '',
      '',
      'auto, pg',
      'default, pg',
      'pg.Pool, named',
      `${BASE}, pg`,
    ])
    expect(rows.map(cells)).toEqual([[TASK, 'calls/s', '60,000', '30,000', '20,000', '20,000']])
  })

  test('puts a form of a contender into a row of its own', () => {
    const stack = report(STACK, {
      poolhouse: { 'CPU µs': 11 },
      'poolhouse over postgres.js': { 'CPU µs': 12 },
      'poolhouse, core alone': { 'CPU µs': 10 },
      [atBase('poolhouse, core alone', BASE)]: { 'CPU µs': 20 },
    })
    const [, , ...rows] = numbersTable([stack], BASE)
    expect(rows.map(cells)).toEqual([
      [STACK, 'CPU µs', '11', '12', ''],
      [`${STACK}, core alone`, 'CPU µs', '10', '', '20'],
    ])
  })
})

describe('targetsTable', () => {
  test('says what each of ours reached', () => {
    const [, , ...rows] = targetsTable(wholeTargets, [point])
    expect(rows.map(cells)).toContainEqual([
      `${TASK}: calls/s ÷ pg.Pool, named`,
      ...['≥ 2.8 ×', '3.6 ×', '3 ×, met', 'not measured', '1.5 ×, **missed**', 'not measured'],
    ])
    expect(rows.map(cells)).toContainEqual([
      `${TASK}: calls/s ÷ the build before`,
      ...['≥ 2 ×', '2.5 ×', '3 ×, met', 'not measured', '30000 ×, met', 'not measured'],
    ])
  })
})

describe('wholeTargets', () => {
  test('name tasks and contenders that are measured', () => {
    for (const { task, ours, peer } of wholeTargets) {
      const contenders = wholeTasks[task]?.variants ?? []
      expect(contenders).toEqual(expect.arrayContaining([ours, peer ?? ours]))
    }
  })
})
