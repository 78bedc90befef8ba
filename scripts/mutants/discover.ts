import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInstrumenter } from '@stryker-mutator/instrumenter'
import { createInjector } from 'typed-inject'

/** Mutations of message texts say nothing about what the code does. */
export const EXCLUDED_MUTATIONS: string[] = ['StringLiteral']

/** A piece of code, mostly the body of one function, and how many mutants StrykerJS makes of it. */
export interface Piece {
  /** From the root of the repository. */
  readonly file: string
  /** `line:column-line:column`, as StrykerJS reads it: lines from 1, columns from 0. */
  readonly range: string
  /** Mutants of this piece. */
  readonly mutants: number
}

interface Span {
  readonly file: string
  readonly start: Place
  readonly end: Place
}

/** Both from 0. */
interface Place {
  readonly line: number
  readonly column: number
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

/**
 * The pieces of every TypeScript file of a folder and of the folders in it, in a fixed order. A
 * mutant that lies in another one belongs to its piece, since StrykerJS takes ranges of code.
 */
export async function discover(folder: string): Promise<Piece[]> {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(folder, name))
    .sort()
  // Its declarations ask for a whole context of StrykerJS, of which it uses the logger.
  const injector = createInjector().provideValue('logger', logger) as never
  const { mutants } = await createInstrumenter(injector).instrument(
    files.map((name) => ({ name, content: readFileSync(name, 'utf8'), mutate: true })),
    { plugins: null, excludedMutations: EXCLUDED_MUTATIONS, ignorers: [], noHeader: false },
  )
  return outermost(mutants.map(({ fileName, location }) => ({ file: fileName, ...location })))
}

function outermost(spans: readonly Span[]): Piece[] {
  const ordered = [...spans].sort(
    (a, b) =>
      a.file.localeCompare(b.file, 'en') || compare(a.start, b.start) || compare(b.end, a.end),
  )
  const pieces: (Span & { mutants: number })[] = []
  for (const span of ordered) {
    const last = pieces.at(-1)
    if (last?.file === span.file && compare(span.end, last.end) <= 0) last.mutants++
    else pieces.push({ ...span, mutants: 1 })
  }
  return pieces.map(({ file, start, end, mutants }) => ({
    file,
    range: `${start.line + 1}:${start.column}-${end.line + 1}:${end.column}`,
    mutants,
  }))
}

function compare(a: Place, b: Place): number {
  return a.line - b.line || a.column - b.column
}
