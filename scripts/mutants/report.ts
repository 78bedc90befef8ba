import { existsSync, readFileSync } from 'node:fs'
import type { MutantResult } from '@stryker-mutator/api/core'

const NOTICED: ReadonlySet<string> = new Set(['Killed', 'Timeout'])
const MISSED: ReadonlySet<string> = new Set(['Survived', 'NoCoverage'])
const REASONS = 'scripts/mutants/survivors.json'

interface Tally {
  noticed: number
  missed: number
}

/**
 * Prints the score of each file and every mutant that was not noticed, with the reason that
 * `survivors.json` gives for it. Returns whether the score of all is at least this, in per cent.
 */
export function printResults(results: readonly MutantResult[], leastScore: number): boolean {
  const files = new Map<string, Tally>()
  const whole: Tally = { noticed: 0, missed: 0 }
  const survivors: MutantResult[] = []
  for (const result of results) {
    const tally = files.get(result.fileName) ?? { noticed: 0, missed: 0 }
    files.set(result.fileName, tally)
    if (NOTICED.has(result.status)) {
      tally.noticed++
      whole.noticed++
    } else if (MISSED.has(result.status)) {
      tally.missed++
      whole.missed++
      survivors.push(result)
    }
  }
  console.log('\nscore   noticed  missed  file')
  for (const [file, tally] of [...files].sort(([a], [b]) => a.localeCompare(b, 'en'))) {
    console.log(`${percent(tally)}  ${column(tally.noticed)}${column(tally.missed)}  ${file}`)
  }
  printSurvivors(survivors)
  console.log(`\nscore ${percent(whole)} (at least ${leastScore} %)`)
  return score(whole) >= leastScore
}

function printSurvivors(survivors: readonly MutantResult[]): void {
  const reasons = existsSync(REASONS)
    ? (JSON.parse(readFileSync(REASONS, 'utf8')) as Record<string, string>)
    : {}
  console.log('\nnot noticed:')
  for (const { fileName, location, mutatorName, replacement, coveredBy } of survivors) {
    const change = `${mutatorName} → ${oneLine(replacement ?? '')}`
    const reason = reasons[`${fileName}: ${original(fileName, location)} ${change}`]
    const by = `${coveredBy?.length ?? 0} tests`
    console.log(
      `  ${fileName}:${location.start.line} ${original(fileName, location)}  ${change}  (${by})${reason === undefined ? '' : `\n      ${reason}`}`,
    )
  }
}

/** The code that was replaced, on one line. */
function original(file: string, { start, end }: MutantResult['location']): string {
  const lines = readFileSync(file, 'utf8').split('\n')
  const first = lines[start.line - 1] ?? ''
  if (start.line === end.line) return oneLine(first.slice(start.column - 1, end.column - 1))
  return oneLine(first.slice(start.column - 1))
}

function oneLine(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim()
  return line.length > 60 ? `${line.slice(0, 59)}…` : line
}

function score({ noticed, missed }: Tally): number {
  return noticed + missed === 0 ? 100 : (100 * noticed) / (noticed + missed)
}

function percent(tally: Tally): string {
  return `${score(tally).toFixed(1)} %`.padStart(7)
}

function column(value: number): string {
  return String(value).padStart(8)
}
