/**
 * Proves that a stranger can use the packages: packs them as npm would get them, installs the tarballs into a fresh project
 * outside the workspace, looks for known weaknesses in what came along, type-checks the README's example there, and runs it from ESM and from
 * CommonJS on a real cluster. Then a program with a manager goes through a failover.
 */
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { startCluster } from '@poolhouse/testkit'
import { transform } from 'esbuild'
import { FAILOVER_PROGRAM } from './failover-program.js'

const run = promisify(execFile)
const root = resolve(fileURLToPath(import.meta.url), '../../..')
const PLACEHOLDERS = ['postgres://app@a/app', 'postgres://app@b/app', 'postgres://app@c/app']

async function exec(command: string, args: readonly string[], cwd: string): Promise<string> {
  try {
    const { stdout } = await run(command, args, { cwd, maxBuffer: 16 * 1024 * 1024 })
    return stdout
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string }
    throw new Error(`${command} ${args.join(' ')} failed\n${stdout}\n${stderr}`, { cause: error })
  }
}

async function publishedPackages(): Promise<string[]> {
  const names = await readdir(join(root, 'packages'))
  const found: string[] = []
  for (const name of names) {
    const manifest = JSON.parse(
      await readFile(join(root, 'packages', name, 'package.json'), 'utf8'),
    ) as { private?: boolean }
    if (manifest.private !== true) found.push(name)
  }
  return found
}

async function readmeExample(): Promise<string> {
  const readme = await readFile(join(root, 'README.md'), 'utf8')
  const example = /```ts\n([\s\S]*?)```/.exec(readme)?.[1]
  if (example === undefined) throw new Error('README.md has no ```ts block')
  for (const url of PLACEHOLDERS) {
    if (!example.includes(url)) throw new Error(`the example in README.md does not contain ${url}`)
  }
  return example
}

const project = await mkdtemp(join(tmpdir(), 'poolhouse-fresh-'))
try {
  const names = await publishedPackages()
  const dependencies: Record<string, string> = { pg: '>=8.23.1' }
  await mkdir(join(project, 'tarballs'))
  for (const name of names) {
    const output = await exec(
      'npx',
      ['-y', 'pnpm@12', 'pack', '--json', '--pack-destination', join(project, 'tarballs')],
      join(root, 'packages', name),
    )
    const { filename } = JSON.parse(output.slice(output.indexOf('{'))) as { filename: string }
    dependencies[`@poolhouse/${name}`] = `file:${resolve(project, 'tarballs', filename)}`
  }
  await writeFile(
    join(project, 'package.json'),
    JSON.stringify(
      { name: 'fresh', private: true, dependencies, overrides: dependencies },
      null,
      2,
    ),
  )
  await exec('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts'], project)
  console.log(`installed ${names.length} tarballs into a fresh project`)
  const audit = await exec('npm', ['audit', '--omit=dev'], project)
  console.log(`npm audit --omit=dev: ${audit.trim()}`)

  const example = await readmeExample()
  await writeFile(join(project, 'example.mts'), example)
  await writeFile(
    join(project, 'tsconfig.json'),
    JSON.stringify({
      compilerOptions: {
        target: 'ES2023',
        lib: ['ES2023', 'ESNext.Disposable', 'DOM'],
        module: 'NodeNext',
        strict: true,
        noEmit: true,
        skipLibCheck: false,
        types: ['node'],
        typeRoots: [join(root, 'node_modules/@types')],
      },
      files: ['example.mts'],
    }),
  )
  await exec(
    process.execPath,
    [join(root, 'node_modules/typescript/bin/tsc'), '-p', project],
    project,
  )
  console.log('the README example type-checks')

  await using cluster = await startCluster({ replicas: 2 })
  let runnable = example
  PLACEHOLDERS.forEach((url, index) => {
    runnable = runnable.replaceAll(url, cluster.nodes[index]!.url)
  })
  await cluster.primary.sql('create table orders (id int primary key)')
  await cluster.primary.sql('alter table orders owner to app')
  const esm = await transform(runnable, { loader: 'ts', format: 'esm' })
  await writeFile(join(project, 'example.mjs'), esm.code)
  console.log(`ESM: ${(await exec(process.execPath, ['example.mjs'], project)).trim()}`)

  await cluster.primary.sql('truncate orders')
  // CommonJS has no top-level await: the body moves into a function, the imports become requires.
  const imports = runnable.match(/^import .*$/gm) ?? []
  const body = runnable.replace(/^import .*$/gm, '')
  const cjs = await transform(`${imports.join('\n')}\n;(async () => {\n${body}\n})()`, {
    loader: 'ts',
    format: 'cjs',
  })
  await writeFile(join(project, 'example.cjs'), cjs.code)
  console.log(`CommonJS: ${(await exec(process.execPath, ['example.cjs'], project)).trim()}`)

  await writeFile(join(project, 'failover.mjs'), FAILOVER_PROGRAM)
  console.log(`failover: ${(await exec(process.execPath, ['failover.mjs'], project)).trim()}`)
} finally {
  await rm(project, { recursive: true, force: true })
}
