/**
 * Runs recipes: each is installed into a temporary folder by its lockfile, together with the packed
 * packages, runs there on a real cluster, and must end with its line `<name>: ok`.
 *
 *     pnpm recipes                          every recipe
 *     pnpm recipes drizzle-node-postgres …  these
 *     pnpm recipes --part                   the part whose turn it is at this commit, as CI does
 *     pnpm recipes --part=3                 the part with this number
 *     pnpm recipes --measure [name…]        records how long they take, which balances the parts
 *     pnpm recipes --lock [name…]           writes their lockfiles anew
 *
 * A recipe whose `engines` need a newer Node.js runs on Node.js 24, whose binary comes as an npm
 * package and is kept in .cache/ between runs.
 */
import { spawn } from 'node:child_process'
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { partOf, rotation } from '../tests/faults/rotation.js'
import { exec, packPackages, ROOT, twoAtATime } from '../tests/packaging/packed-project.js'
import { turnsSoFar } from '../tests/support/commit-number.js'

const RECIPES = join(ROOT, 'recipes')
const SECONDS_FILE = join(RECIPES, 'durations.json')
/** What the recipes of a part may take on two cores; packing takes some seconds more. */
const LIMIT_SECONDS = 45
const LONGEST_MS = 180_000
/** Of a recipe that was never measured. */
const UNKNOWN_SECONDS = 20
const QUIET = ['--no-audit', '--no-fund', '--ignore-scripts']

interface Manifest {
  readonly dependencies: Readonly<Record<string, string>>
  readonly overrides?: Readonly<Record<string, string>>
  readonly engines?: { readonly node?: string }
}

let node24: Promise<string> | undefined

const given = process.argv.slice(2)
const command = given.find((arg) => arg.startsWith('--'))
const all = await recipeNames()
const wanted = given.filter((arg) => arg !== command)
const unknown = wanted.filter((name) => !all.includes(name))
if (unknown.length > 0) {
  throw new Error(`unknown recipe ${unknown.join(', ')}; there are ${all.join(', ')}`)
}
const chosen = wanted.length > 0 ? wanted : all
if (command === undefined || command === '--measure') await runAll(chosen)
else if (command === '--lock') await twoAtATime(chosen, lock)
else if (/^--part(=\d+)?$/.test(command)) await runAll(await part(command))
else throw new TypeError(`unknown option ${command}`)

async function recipeNames(): Promise<string[]> {
  const entries = await readdir(RECIPES, { withFileTypes: true })
  return entries
    .filter((entry) => entry.isDirectory() && entry.name !== 'support')
    .map(({ name }) => name)
    .sort()
}

/** The names of the recipes of a part, the longest first. */
async function part(option: string): Promise<readonly string[]> {
  const seconds = await durations()
  const runs = all.map((name) => {
    return { file: name, driver: undefined, seconds: seconds[name] ?? UNKNOWN_SECONDS }
  })
  const parts = rotation(runs, { limitSeconds: LIMIT_SECONDS, workers: 2 })
  const [, asked] = option.split('=')
  const number = asked === undefined ? partOf(turnsSoFar('recipes'), parts.length) : Number(asked)
  const found = parts[number]
  if (found === undefined) throw new RangeError(`there is no part ${number} of ${parts.length}`)
  console.log(`recipes: part ${number} of 0 to ${parts.length - 1}: ${found.files.join(', ')}`)
  return found.files
}

async function runAll(names: readonly string[]): Promise<void> {
  const began = performance.now()
  const folder = await mkdtemp(join(tmpdir(), 'poolhouse-recipes-'))
  const failures: string[] = []
  const seconds: Record<string, number> = {}
  try {
    const packed = await packPackages(join(folder, 'tarballs'))
    console.log(`recipes: packed ${Object.keys(packed).length} packages, ${since(began)} s`)
    await twoAtATime(names, async (name) => {
      const start = performance.now()
      const { output, complaint } = await run(name, join(folder, name), packed)
      if (complaint === undefined) seconds[name] = Math.ceil(Number(since(start)))
      else failures.push(`${name}: ${complaint}`)
      const end = complaint === undefined ? 'passed' : 'FAILED'
      console.log(`\n── ${name}\n${output}── ${name}: ${end}, ${since(start)} s`)
    })
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
  if (command === '--measure') {
    const merged = Object.entries({ ...(await durations()), ...seconds }).sort()
    await writeFile(SECONDS_FILE, `${JSON.stringify(Object.fromEntries(merged), null, 2)}\n`)
  }
  for (const failure of failures) console.error(failure)
  console.log(`\nrecipes: ${names.length - failures.length} passed, ${since(began)} s`)
  if (failures.length > 0) process.exitCode = 1
}

/** Installs one recipe, runs it and checks its types. */
async function run(
  name: string,
  project: string,
  packed: Readonly<Record<string, string>>,
): Promise<{ output: string; complaint?: string }> {
  let output = ''
  try {
    // The whole folder, because recipes share files. Dependencies are those of this one.
    await cp(RECIPES, join(project, 'recipes'), {
      recursive: true,
      filter: (source) => !source.includes('node_modules'),
    })
    const recipe = join(RECIPES, name)
    const manifest = await readManifest(name)
    await cp(join(recipe, 'package-lock.json'), join(project, 'package-lock.json'))
    const dependencies = { ...manifest.dependencies, ...packed }
    const overrides = { ...manifest.overrides, ...packed }
    await writeJson(join(project, 'package.json'), { ...manifest, dependencies, overrides })
    await exec('npm', ['install', '--prefer-offline', ...QUIET], project)
    const file = join('recipes', name, 'recipe.ts')
    const ended = await start(await nodeFor(manifest), file, project)
    output = ended.output
    const last = output.trimEnd().split('\n').at(-1)
    if (ended.exitCode !== 0) return { output, complaint: `exit code ${ended.exitCode}` }
    if (last !== `${name}: ok`) return { output, complaint: `its last line is "${last}"` }
    await checkTypes(file, project)
    return { output }
  } catch (error) {
    return { output, complaint: (error as Error).message }
  } finally {
    await rm(project, { recursive: true, force: true })
  }
}

/** Runs a recipe in a process group of its own, so that nothing of it outlives it. */
function start(
  node: string,
  file: string,
  cwd: string,
): Promise<{ output: string; exitCode: number | null }> {
  const tsx = import.meta.resolve('tsx')
  const stdio: ['ignore', 'pipe', 'pipe'] = ['ignore', 'pipe', 'pipe']
  const child = spawn(node, ['--import', tsx, file], { cwd, detached: true, stdio })
  const killAll = (): void => {
    try {
      process.kill(-child.pid!, 'SIGKILL')
    } catch {
      // Nothing is left.
    }
  }
  const timer = setTimeout(killAll, LONGEST_MS)
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  }
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    // An application that a failed recipe has started may still run.
    child.once('exit', killAll)
    child.once('close', (exitCode) => {
      clearTimeout(timer)
      resolve({ output, exitCode })
    })
  })
}

/** What a user's compiler says. */
async function checkTypes(file: string, project: string): Promise<void> {
  const compilerOptions = {
    target: 'ES2023',
    lib: ['ES2023', 'DOM', 'ESNext.Disposable'],
    types: ['node'],
    module: 'NodeNext',
    strict: true,
    skipLibCheck: true,
    noEmit: true,
  }
  await writeJson(join(project, 'tsconfig.json'), { compilerOptions, files: [file] })
  const compiler = fileURLToPath(import.meta.resolve('typescript/bin/tsc'))
  await exec(process.execPath, [compiler, '-p', project], project)
}

/** The Node.js that a recipe needs: this one, or Node.js 24. */
async function nodeFor({ engines }: Manifest): Promise<string> {
  const least = Number(/\d+/.exec(engines?.node ?? '')?.[0] ?? 0)
  if (Number(process.versions.node.split('.')[0]) >= least) return process.execPath
  node24 ??= installNode24()
  return await node24
}

async function installNode24(): Promise<string> {
  const platform = `node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`
  const folder = join(ROOT, '.cache', 'node-24')
  const binary = join(folder, 'node_modules', platform, 'bin', 'node')
  try {
    await exec(binary, ['--version'], ROOT)
  } catch {
    await exec(
      'npm',
      ['install', '--prefix', folder, '--no-save', ...QUIET, `${platform}@24`],
      ROOT,
    )
  }
  return binary
}

/** Writes the lockfile of a recipe, without the address of a registry. */
async function lock(name: string): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'poolhouse-lock-'))
  try {
    await cp(join(RECIPES, name, 'package.json'), join(folder, 'package.json'))
    const options = ['--package-lock-only', '--omit-lockfile-registry-resolved', ...QUIET]
    await exec('npm', ['install', ...options], folder)
    await cp(join(folder, 'package-lock.json'), join(RECIPES, name, 'package-lock.json'))
    console.log(`recipes: locked ${name}`)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function readManifest(name: string): Promise<Manifest> {
  return JSON.parse(await readFile(join(RECIPES, name, 'package.json'), 'utf8')) as Manifest
}

async function durations(): Promise<Record<string, number>> {
  return JSON.parse(await readFile(SECONDS_FILE, 'utf8').catch(() => '{}')) as Record<
    string,
    number
  >
}

async function writeJson(path: string, value: unknown): Promise<void> {
  await writeFile(path, `${JSON.stringify(value, null, 2)}\n`)
}

function since(time: number): string {
  return ((performance.now() - time) / 1_000).toFixed(1)
}
