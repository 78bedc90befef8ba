import { existsSync, readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Verdict } from './job.js'
import type { Mutant } from './mutate.js'

const REASONS = 'scripts/mutants/survivors.json'

/** A mutant and what became of it; undefined if that was not found out. */
export interface Result {
  readonly mutant: Mutant
  readonly verdict: Verdict | undefined
}

interface Tally {
  noticed: number
  missed: number
}

/**
 * Prints the score of each folder and every mutant that was not noticed, with the reason that
 * `survivors.json` gives for it. Returns whether the score of all is at least this, in per cent.
 */
export function printResults(results: readonly Result[], leastScore: number): boolean {
  const folders = new Map<string, Tally>()
  const whole: Tally = { noticed: 0, missed: 0 }
  const missed: Result[] = []
  for (const result of results) {
    const folder = dirname(result.mutant.file)
    const tally = folders.get(folder) ?? { noticed: 0, missed: 0 }
    folders.set(folder, tally)
    const { status } = result.verdict ?? {}
    const noticed = status === 'noticed' || status === 'hung'
    for (const each of [tally, whole]) each[noticed ? 'noticed' : 'missed']++
    if (!noticed) missed.push(result)
  }
  printMissed(missed)
  console.log('\n  score  noticed  missed  folder')
  for (const [folder, tally] of [...folders].sort(([a], [b]) => a.localeCompare(b, 'en'))) {
    console.log(`${percent(tally)} ${column(tally.noticed)}${column(tally.missed)}  ${folder}`)
  }
  const hung = results.filter(({ verdict }) => verdict?.status === 'hung').length
  console.log(`${percent(whole)} ${column(whole.noticed)}${column(whole.missed)}  all`)
  console.log(`\n${hung} of those noticed hang; at least ${leastScore} % are to be noticed`)
  return score(whole) >= leastScore
}

function printMissed(missed: readonly Result[]): void {
  if (missed.length === 0) return
  const reasons = existsSync(REASONS)
    ? (JSON.parse(readFileSync(REASONS, 'utf8')) as Record<string, string>)
    : {}
  console.log('\nnot noticed:')
  const inOrder = [...missed].sort(
    ({ mutant: a }, { mutant: b }) =>
      a.file.localeCompare(b.file, 'en') || a.start.line - b.start.line,
  )
  for (const { mutant, verdict } of inOrder) {
    const { file, start, mutator, replacement } = mutant
    const change = `${original(mutant)} → ${oneLine(replacement)} (${mutator})`
    const status = verdict?.status === 'missed' ? '' : `, ${verdict?.status ?? 'not judged'}`
    console.log(`  ${file}:${start.line + 1} ${change}${status}`)
    const reason = reasons[`${file}: ${change}`]
    if (reason !== undefined) console.log(`      ${reason}`)
  }
}

/** The code that was replaced, on one line. */
function original({ file, start, end }: Mutant): string {
  const lines = readFileSync(file, 'utf8')
    .split('\n')
    .slice(start.line, end.line + 1)
  lines.push(lines.pop()!.slice(0, end.column))
  lines[0] = lines[0]!.slice(start.column)
  return oneLine(lines.join(' '))
}

function oneLine(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim()
  return line.length > 90 ? `${line.slice(0, 89)}…` : line
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
