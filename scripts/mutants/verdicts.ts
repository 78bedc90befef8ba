import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Guarded } from './guarded.js'
import type { Verdict } from './job.js'
import { hash, type Mutant, sourceFiles } from './mutate.js'

/** The test files of a package that judge its mutants. */
export interface Tests {
  /** From the root of the repository. */
  readonly files: readonly string[]
  /** The same as long as nothing in the folder of tests changes. */
  readonly state: string
}

interface Kept extends Verdict {
  readonly key: string
  readonly tests: string
}

/** Unit tests and simulations alone: they need no server, and take seconds. */
export function findTests({ folder }: Guarded): Tests {
  const all = sourceFiles(join(folder, 'test'))
  return {
    files: all.filter((name) => /\/(?:unit|simulation)\/.*\.test\.ts$/.test(name)),
    state: hash(...all.map((name) => readFileSync(name, 'utf8'))),
  }
}

/** What has been found out about mutants, in this run and before it. */
export class Verdicts {
  /** How many this run has found out. */
  added = 0
  readonly #path: string
  readonly #kept = new Map<string, Kept>()

  /** Reads what the file holds, if there is one. */
  constructor(path: string) {
    this.#path = path
    const lines = existsSync(path) ? readFileSync(path, 'utf8').split('\n') : []
    for (const line of lines.filter((text) => text.endsWith('}'))) {
      const kept = JSON.parse(line) as Kept
      this.#kept.set(kept.key, kept)
    }
  }

  /** Undefined if the mutant must be judged by these tests. */
  find({ key }: Mutant, { state }: Tests): Verdict | undefined {
    const kept = this.#kept.get(key)
    const noticed = kept?.status === 'noticed' || kept?.status === 'hung'
    return noticed || kept?.tests === state ? kept : undefined
  }

  /** What was found out last; undefined if nothing was. */
  get({ key }: Mutant): Verdict | undefined {
    return this.#kept.get(key)
  }

  /** Keeps what these tests say, also for later runs. */
  add({ key }: Mutant, { status, by }: Verdict, { state }: Tests): void {
    const kept: Kept = { key, tests: state, status, ...(by === undefined ? {} : { by }) }
    this.#kept.set(key, kept)
    this.added++
    appendFileSync(this.#path, `${JSON.stringify(kept)}\n`)
  }
}
