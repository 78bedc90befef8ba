import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { Aspect, CornerResult, Finding, PageDriver, Results } from './finding.js'

/** Where the results of runs are kept. */
const RESULTS_FILE: string = fileURLToPath(
  new URL('../../docs/compatibility.json', import.meta.url),
)

/** What is known from runs so far. */
export async function readResults(): Promise<Results> {
  return JSON.parse(await readFile(RESULTS_FILE, 'utf8').catch(() => '{}')) as Results
}

/** What one run of a corner over one driver has found. */
export interface RunResult {
  readonly versions: CornerResult['versions']
  readonly findings: Readonly<Partial<Record<Aspect, Finding>>>
}

/** The results with those of a run in place of what they say about the same. */
export function merged(
  results: Results,
  corner: string,
  driver: PageDriver,
  run: RunResult,
  date: string,
): Results {
  const former = results[corner]
  const findings = {
    ...former?.findings,
    [driver]: { ...former?.findings[driver], ...run.findings },
  }
  const versions = { ...former?.versions, ...run.versions }
  return { ...results, [corner]: { date, versions, findings } }
}

/** Keeps the results, in the order of `names`. What is no corner any more is left out. */
export async function writeResults(results: Results, names: readonly string[]): Promise<void> {
  const sorted = names.flatMap((name) => {
    const result = results[name]
    return result === undefined ? [] : [[name, result] as const]
  })
  await writeFile(RESULTS_FILE, `${JSON.stringify(Object.fromEntries(sorted), null, 2)}\n`)
}
