import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { createInstrumenter } from '@stryker-mutator/instrumenter'
import { createInjector } from 'typed-inject'
import type { Guarded } from './guarded.js'

/** Mutations of message texts say nothing about what the code does. */
const EXCLUDED_MUTATIONS: string[] = ['StringLiteral']

/** One small change of the code. */
export interface Mutant {
  /** From the root of the repository. */
  readonly file: string
  readonly start: Place
  readonly end: Place
  /** Which of StrykerJS' mutators makes it. */
  readonly mutator: string
  /** The code that stands there instead. */
  readonly replacement: string
  /** The same as long as nothing in its file changes. */
  readonly key: string
}

/** A place in a file; line and column count from 0. */
interface Place {
  readonly line: number
  readonly column: number
}

/** Files that hold their mutants side by side with the code, each behind a switch. */
export interface Instrumented {
  /** Path from the root of the repository → source text. */
  readonly files: Readonly<Record<string, string>>
  /** The number by which a mutant is switched on → the mutant. */
  readonly mutants: ReadonlyMap<string, Mutant>
}

const silent = (): void => {}
const no = (): boolean => false
const logger = {
  isTraceEnabled: no,
  isDebugEnabled: no,
  isInfoEnabled: no,
  isWarnEnabled: no,
  isErrorEnabled: no,
  isFatalEnabled: no,
  trace: silent,
  debug: silent,
  info: silent,
  warn: silent,
  error: silent,
  fatal: silent,
}

/** Every mutant of a guarded package, in a fixed order. */
export async function findMutants({ folder, sources }: Guarded): Promise<Mutant[]> {
  const files = sources.flatMap((name) => sourceFiles(join(folder, 'src', name)))
  const { mutants } = await instrument(files.map((name) => ({ name, mutate: true })))
  return [...mutants.values()]
}

/** The files of these mutants with the switches of these, and of mutants that lie in them. */
export function instrumentFor(mutants: readonly Mutant[]): Promise<Instrumented> {
  const names = [...new Set(mutants.map(({ file }) => file))]
  return instrument(
    names.map((name) => ({ name, mutate: mutants.filter(({ file }) => file === name) })),
  )
}

async function instrument(
  files: { name: string; mutate: boolean | readonly Mutant[] }[],
): Promise<Instrumented> {
  // Its declarations ask for a whole context of StrykerJS, of which it uses the logger.
  const injector = createInjector().provideValue('logger', logger) as never
  const texts = new Map(files.map(({ name }) => [name, readFileSync(name, 'utf8')]))
  const made = await createInstrumenter(injector).instrument(
    files.map(({ name, mutate }) => ({
      name,
      content: texts.get(name)!,
      mutate: mutate === true ? true : [...(mutate as Mutant[])],
    })),
    { plugins: null, excludedMutations: EXCLUDED_MUTATIONS, ignorers: [], noHeader: false },
  )
  const mutants = made.mutants
    // What is excluded has this status, and no place in the code.
    .filter(({ status }) => status !== 'Ignored')
    .map(({ id, fileName, location, mutatorName, replacement }) => {
      const { start, end } = location
      const text = texts.get(fileName)!
      const place = `${start.line}:${start.column}-${end.line}:${end.column}`
      const key = hash(text, fileName, place, mutatorName, replacement)
      return [id, { file: fileName, start, end, mutator: mutatorName, replacement, key }] as const
    })
  return {
    files: Object.fromEntries(made.files.map(({ name, content }) => [name, content])),
    mutants: new Map(mutants),
  }
}

/** TypeScript files of a folder and of the folders in it, or the file itself. */
export function sourceFiles(path: string): string[] {
  if (statSync(path).isFile()) return [path]
  return readdirSync(path, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(path, name))
    .sort()
}

/** The same for the same texts. */
export function hash(...texts: readonly string[]): string {
  return createHash('sha256').update(texts.join('\0')).digest('hex').slice(0, 24)
}
