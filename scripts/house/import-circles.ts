import { dirname } from 'node:path'
import { cruise, type ICruiseResult } from 'dependency-cruiser'

/** A pool emits a topology, which holds pools: three files of types in one folder. */
const ALLOWED = ['events', 'pool', 'topology'].map((name) => `packages/core/src/api/${name}.ts`)

/** Files that each file imports, types included. */
type Imports = ReadonlyMap<string, readonly string[]>

/** What is wrong with the imports of the repository; each line says one thing. */
export interface ImportFaults {
  /** Circles of files, but for the one allowed. */
  readonly files: readonly string[]
  readonly folders: readonly string[]
  /** Imports that run from a folder up to a file that leads back down to it. */
  readonly backUp: readonly string[]
}

/** Reads the imports of all files below `folders`. */
export async function findImportFaults(
  root: string,
  folders: readonly string[],
): Promise<ImportFaults> {
  const { output } = await cruise(
    [...folders],
    {
      baseDir: root,
      validate: true,
      ruleSet: {
        forbidden: [
          { name: 'files', severity: 'error', from: {}, to: { circular: true } },
          { name: 'folders', severity: 'error', scope: 'folder', from: {}, to: { circular: true } },
        ],
      },
      includeOnly: { path: '\\.ts$' },
      exclude: { path: '(^|/)(node_modules|dist)/' },
      tsPreCompilationDeps: true, // what is imported for its type alone counts
    },
    { conditionNames: ['@poolhouse/source', 'import'], extensions: ['.ts', '.js'] },
  )
  const { modules, summary } = output as ICruiseResult
  const circles = (broken: 'files' | 'folders'): string[][] =>
    circlesOf(
      summary.violations
        .filter(({ rule }) => rule.name === broken)
        .map(({ from, cycle = [] }) => [from, ...cycle.map(({ name }) => name)]),
    )
  const imports: Imports = new Map(
    modules.map(({ source, dependencies }) => [
      source,
      dependencies.map(({ resolved }) => resolved),
    ]),
  )
  return {
    files: circles('files')
      .map((circle) => circle.join(', '))
      .filter((circle) => circle !== ALLOWED.join(', ')),
    folders: circles('folders').map((circle) => circle.join(', ')),
    backUp: importsBackUp(imports),
  }
}

/** Paths that share a member are one circle: each of its members leads to all others. */
export function circlesOf(paths: readonly (readonly string[])[]): string[][] {
  let circles: Set<string>[] = []
  for (const path of paths) {
    const touched = circles.filter((circle) => path.some((member) => circle.has(member)))
    circles = circles.filter((circle) => !touched.includes(circle))
    circles.push(new Set([...path, ...touched.flatMap((circle) => [...circle])]))
  }
  return circles.map((circle) => [...circle].sort()).sort((a, b) => (a[0]! < b[0]! ? -1 : 1))
}

/**
 * Imports of a file that lies further up, directly in a folder around the importing one, if that
 * file leads back down to the folder. The rule for folders does not see them.
 */
export function importsBackUp(imports: Imports): string[] {
  const isAround = (outer: string, inner: string): boolean => inner.startsWith(`${outer}/`)
  return [...imports].flatMap(([file, targets]) => {
    const folder = dirname(file)
    return targets
      .filter((target) => isAround(dirname(target), folder))
      .filter((target) => [...reachableFrom(target, imports)].some((at) => dirname(at) === folder))
      .map((target) => `${file} imports ${target}, which leads to ${folder}`)
  })
}

function reachableFrom(start: string, imports: Imports): Set<string> {
  const reached = new Set<string>()
  const open = [start]
  for (let file = open.pop(); file !== undefined; file = open.pop()) {
    for (const target of imports.get(file) ?? []) {
      if (!reached.has(target)) {
        reached.add(target)
        open.push(target)
      }
    }
  }
  return reached
}
