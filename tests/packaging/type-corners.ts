import { mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { exec } from './packed-project.js'

/** One consumer: versions of TypeScript and of `@types/node`, and how it resolves modules. */
export interface TypeCorner {
  /** Major version, or major and minor, of TypeScript. */
  readonly typescript: '5.9' | '6' | '7'
  /** Major version of `@types/node`. */
  readonly node: '20' | '22' | '24' | '26'
  /** An ES module or CommonJS under `NodeNext`, or a module that goes to a bundler. */
  readonly module: 'esm' | 'cjs' | 'bundler'
}

const TYPESCRIPTS = ['5.9', '6', '7'] as const
const NODES = ['20', '22', '24', '26'] as const
const MODULES = ['esm', 'cjs', 'bundler'] as const

/** Every corner. */
export const ALL_CORNERS: readonly TypeCorner[] = TYPESCRIPTS.flatMap((typescript) =>
  NODES.flatMap((node) => MODULES.map((module) => ({ typescript, node, module }))),
)

/** Each version and each way of resolving at least once: for every run of CI. */
export const CI_CORNERS: readonly TypeCorner[] = [
  { typescript: '5.9', node: '20', module: 'cjs' },
  { typescript: '5.9', node: '26', module: 'esm' },
  { typescript: '6', node: '22', module: 'bundler' },
  { typescript: '6', node: '26', module: 'cjs' },
  { typescript: '7', node: '24', module: 'esm' },
  { typescript: '7', node: '26', module: 'bundler' },
]

/** What a project needs beside the packages for `checkTypes`. */
export const TYPE_PACKAGES: Readonly<Record<string, string>> = {
  '@types/pg': '^8.23.1',
  ...Object.fromEntries(TYPESCRIPTS.map((v) => [`typescript-${v}`, `npm:typescript@${v}`])),
  ...Object.fromEntries(NODES.map((v) => [`types-node-${v}`, `npm:@types/node@${v}`])),
}

/**
 * T81: type-checks an application of these sources in one corner, declarations of the packages
 * included (`skipLibCheck: false`). Throws with what the compiler says.
 */
export async function checkTypes(
  project: string,
  { typescript, node, module }: TypeCorner,
  source: string,
): Promise<void> {
  const ending = { esm: 'mts', cjs: 'cts', bundler: 'ts' }[module]
  // CommonJS has no `await` at the top.
  const text = module === 'cjs' ? intoFunction(source) : source
  await writeFile(join(project, `corner.${ending}`), `${text}\n${TRACES}`)
  const resolution =
    module === 'bundler'
      ? { module: 'ESNext', moduleResolution: 'bundler' }
      : { module: 'NodeNext', moduleResolution: 'NodeNext' }
  const compilerOptions = {
    ...resolution,
    target: 'ES2023',
    lib: ['ES2023', 'ESNext.Disposable', 'DOM'],
    strict: true,
    noEmit: true,
    skipLibCheck: false,
    types: ['node'],
  }
  const config = join(project, 'tsconfig.json')
  await writeFile(config, JSON.stringify({ compilerOptions, files: [`corner.${ending}`] }))
  // `types` and the packages' own imports of `node:…` must find the same version.
  const types = join(project, 'node_modules/@types/node')
  await rm(types, { recursive: true, force: true })
  await mkdir(dirname(types), { recursive: true })
  await symlink(`../types-node-${node}`, types)
  await exec(process.execPath, [await compiler(project, typescript), '-p', config], project)
}

async function compiler(project: string, version: TypeCorner['typescript']): Promise<string> {
  const folder = join(project, 'node_modules', `typescript-${version}`)
  const { bin } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as {
    bin: { tsc: string }
  }
  return join(folder, bin.tsc)
}

function intoFunction(source: string): string {
  const imports = source.match(/^import .*$/gm) ?? []
  const body = source.replace(/^import .*$/gm, '')
  return `${imports.join('\n')}\nasync function main(): Promise<void> {\n${body}\n}\nvoid main()`
}

// The message of a channel must have its type: with `skipLibCheck` a wrong order of type parameters
// compiles, and makes it a string.
const TRACES = `
import { tracing } from '@poolhouse/core'
import { createManager } from '@poolhouse/manager'
import { postgresJs } from '@poolhouse/postgres-js'
import { startCluster } from '@poolhouse/testkit'
tracing.query.subscribe({
  start(trace) {
    const statement: string = trace.statement
    // @ts-expect-error a trace has no such field
    trace.nothing
    console.log(statement)
  },
})
console.log(createManager, postgresJs, startCluster)
export {}
`
