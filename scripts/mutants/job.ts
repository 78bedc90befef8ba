import { readFileSync } from 'node:fs'

/** What became of a mutant. */
export interface Verdict {
  readonly status: Status
  /** The test that noticed it. */
  readonly by?: string
}

/** What one process of tests is to do, as JSON in a file that the process is told of. */
export interface Job {
  /** Path from the root of the repository → source text with switches. */
  readonly files: Readonly<Record<string, string>>
  /** In this order. */
  readonly mutants: readonly JobMutant[]
  /** Test files from the root of the repository. */
  readonly tests: readonly string[]
  /** Where it appends its `JobReport`s, one JSON text on each line. */
  readonly log: string
  /** Where it stores which test reaches what, if `learn` is set; where it reads that otherwise. */
  readonly reach: string
  readonly learn: boolean
  /** Touched whenever a test begins. */
  readonly pulse: string
  /** Tests that have failed without a mutant. */
  readonly unsteady: readonly string[]
}

/** A mutant by the number that switches it on. */
export interface JobMutant {
  readonly id: string
  readonly file: string
  /** Whether its file remembers what it once found out. */
  readonly remembers: boolean
}

/** What a process of tests says of its work. */
export type JobReport =
  | { readonly at: string }
  | { readonly id: string; readonly status: Status; readonly by?: string }
  /** After the mutant this test fails without any: the process is worth nothing any more. */
  | { readonly id: string; readonly unsteady: string }
  | { readonly pid: number }
  /** This test fails without any mutant, so it judges none. */
  | { readonly leftOut: string }
  | { readonly done: true }

/** What became of a mutant; of one that hangs too. */
type Status = 'noticed' | 'hung' | 'missed' | 'unreached'

/** The environment variable that names the file. */
export const JOB = 'POOLHOUSE_MUTANTS_JOB'

/** The job of this process. */
export function readJob(): Job {
  return JSON.parse(readFileSync(process.env[JOB]!, 'utf8')) as Job
}
