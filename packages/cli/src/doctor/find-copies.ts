import { readdirSync, readFileSync, realpathSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** One copy of a package. */
export interface Copy {
  /** Its version. */
  readonly version: string
  /** Its folder, with links resolved. */
  readonly path: string
}

/** More nested folders than any installation has. */
const DEEPEST = 8

/**
 * Finds every copy of these packages that the modules of a project may load: below the
 * `node_modules` of its folder and of all folders above it. Reads folder names and `package.json`
 * files only; what cannot be read is skipped.
 */
export function findCopies(
  cwd: string,
  names: readonly string[],
): ReadonlyMap<string, readonly Copy[]> {
  const found = new Map(names.map((name) => [name, new Map<string, Copy>()]))
  for (let folder = cwd; ; folder = dirname(folder)) {
    look(join(folder, 'node_modules'), found, 0)
    if (folder === dirname(folder)) break
  }
  return new Map([...found].map(([name, copies]) => [name, [...copies.values()]]))
}

type Found = ReadonlyMap<string, Map<string, Copy>>

function look(modules: string, found: Found, depth: number): void {
  if (depth > DEEPEST) return
  for (const [name, copies] of found) {
    const copy = copyAt(join(modules, name))
    if (copy !== undefined) copies.set(copy.path, copy)
  }
  for (const entry of foldersIn(modules)) {
    const inner = join(modules, entry)
    // pnpm keeps each package in a folder of its own, and links to it.
    if (entry === '.pnpm')
      for (const one of foldersIn(inner)) look(join(inner, one, 'node_modules'), found, DEEPEST)
    else if (entry.startsWith('@'))
      for (const one of foldersIn(inner)) look(join(inner, one, 'node_modules'), found, depth + 1)
    else if (!entry.startsWith('.')) look(join(inner, 'node_modules'), found, depth + 1)
  }
}

function copyAt(path: string): Copy | undefined {
  try {
    const real = realpathSync(path)
    const text = readFileSync(join(real, 'package.json'), 'utf8')
    const { version = 'unknown' } = JSON.parse(text) as { version?: string }
    return { version, path: real }
  } catch {
    return undefined
  }
}

/** Names of the folders in a folder; links are not followed, so that no circle is walked. */
function foldersIn(path: string): string[] {
  try {
    return readdirSync(path, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name)
  } catch {
    return []
  }
}
