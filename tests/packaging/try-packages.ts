/**
 * Proves that a stranger can use the packages: packs them as npm would get them, installs the
 * tarballs into a fresh project outside the workspace, looks for known weaknesses in what came
 * along, type-checks the README's example there, and runs it from ESM and from CommonJS on a real
 * cluster. Then a program with a manager goes through a failover.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { startCluster } from '@poolhouse/testkit'
import { transform } from 'esbuild'
import { tryCommandLine, tryExports } from './command-line.js'
import { tryConfigFiles } from './config-files.js'
import { DASHBOARD_PROGRAM } from './dashboard-program.js'
import { FAILOVER_PROGRAM } from './failover-program.js'
import { exec, packedProject, ROOT } from './packed-project.js'
import { ALL_CORNERS, CI_CORNERS, checkTypes, TYPE_PACKAGES } from './type-corners.js'

const PLACEHOLDERS = ['postgres://app@a/app', 'postgres://app@b/app', 'postgres://app@c/app']

/**
 * What npm knows of weaknesses; throws if there are any. Mirrors of the registry often cannot be
 * asked.
 */
async function audit(project: string): Promise<string> {
  try {
    return (await exec('npm', ['audit', '--omit=dev'], project)).trim()
  } catch (error) {
    if (!String(error).includes('audit endpoint returned an error')) throw error
    return 'this registry cannot be asked'
  }
}

async function readmeExample(): Promise<string> {
  const readme = await readFile(join(ROOT, 'README.md'), 'utf8')
  const example = /```ts\n([\s\S]*?)```/.exec(readme)?.[1]
  if (example === undefined) throw new Error('README.md has no ```ts block')
  for (const url of PLACEHOLDERS) {
    if (!example.includes(url)) throw new Error(`the example in README.md does not contain ${url}`)
  }
  return example
}

const allTypes = process.argv.includes('--all-types')
await using made = await packedProject({
  pg: '>=8.16.2 <9',
  postgres: '>=3.4.9 <4',
  tsx: '^4.23.0',
  ...TYPE_PACKAGES,
})
const project = made.folder
console.log(`installed ${made.packages} tarballs into a fresh project`)
const example = await readmeExample()
const corners = allTypes ? ALL_CORNERS : CI_CORNERS

async function checkCorners(): Promise<void> {
  for (const corner of corners) {
    await checkTypes(project, corner, example)
    const { typescript, node, module } = corner
    console.log(`types: TypeScript ${typescript}, @types/node ${node}, ${module}`)
  }
  console.log(`T81: the README example type-checks in ${corners.length} corners`)
}

async function runPrograms(): Promise<void> {
  console.log(`npm audit --omit=dev: ${await audit(project)}`)
  console.log(`T80: configuration files read in ${await tryConfigFiles(project)} ways`)

  console.log(`ESM and CommonJS: ${await tryExports(project)} packages export something`)

  await using cluster = await startCluster({ replicas: 2 })
  const roles = await tryCommandLine(
    project,
    cluster.nodes.map(({ url }) => url),
  )
  console.log(`npx poolhouse doctor: ${roles}`)
  let runnable = example
  PLACEHOLDERS.forEach((url, index) => {
    runnable = runnable.replaceAll(url, cluster.nodes[index]!.url)
  })
  await cluster.primary.sql('create table orders (id int primary key)')
  await cluster.primary.sql('alter table orders owner to app')
  console.log(`ESM: ${await runAs('esm', 'example', runnable)}`)
  await cluster.primary.sql('truncate orders')
  console.log(`CommonJS: ${await runAs('cjs', 'example', runnable)}`)

  console.log(`dashboard, ESM: ${await runAs('esm', 'dashboard', DASHBOARD_PROGRAM)}`)
  console.log(`dashboard, CommonJS: ${await runAs('cjs', 'dashboard', DASHBOARD_PROGRAM)}`)

  await writeFile(join(project, 'failover.mjs'), FAILOVER_PROGRAM)
  console.log(`failover: ${(await exec(process.execPath, ['failover.mjs'], project)).trim()}`)
}

/** Runs an ES module of the fresh project as it is, or as CommonJS. Returns what it printed. */
async function runAs(format: 'esm' | 'cjs', name: string, source: string): Promise<string> {
  let module = source
  if (format === 'cjs') {
    // CommonJS has no top-level await: the body moves into a function, the imports become requires.
    const imports = source.match(/^import .*$/gm) ?? []
    const body = source.replace(/^import .*$/gm, '')
    module = `${imports.join('\n')}\n;(async () => {\n${body}\n})()`
  }
  const { code } = await transform(module, { loader: 'ts', format })
  const file = `${name}.${format === 'esm' ? 'mjs' : 'cjs'}`
  await writeFile(join(project, file), code)
  return (await exec(process.execPath, [file], project)).trim()
}

// Compiling uses one core, and running programs hardly more.
await Promise.all([checkCorners(), allTypes ? undefined : runPrograms()])
