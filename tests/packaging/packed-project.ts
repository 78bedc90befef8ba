import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** The root of the repository. */
export const ROOT: string = resolve(fileURLToPath(import.meta.url), '../../..')

/** A fresh project outside the workspace, with the packages as npm would bring them. */
export interface PackedProject extends AsyncDisposable {
  /** Where it is. */
  readonly folder: string
  /** How many packages were packed. */
  readonly packages: number
}

/** Runs a program and returns what it printed. Throws with all its output when it fails. */
export async function exec(command: string, args: readonly string[], cwd: string): Promise<string> {
  try {
    const { stdout } = await run(command, args, { cwd, maxBuffer: 16 * 1024 * 1024 })
    return stdout
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string }
    throw new Error(`${command} ${args.join(' ')} failed\n${stdout}\n${stderr}`, { cause: error })
  }
}

/** Does `work` for each item, for two of them at a time. Rejects with the first failure. */
export async function twoAtATime<Item>(
  items: readonly Item[],
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const left = items.values()
  const worker = async (): Promise<void> => {
    for (const item of left) await work(item)
  }
  await Promise.all([worker(), worker()])
}

/**
 * Packs every published package and installs the tarballs, together with these packages of others.
 * The folder goes when the project is disposed of.
 */
export async function packedProject(
  others: Readonly<Record<string, string>>,
): Promise<PackedProject> {
  const folder = await mkdtemp(join(tmpdir(), 'poolhouse-fresh-'))
  try {
    const packed = await packPackages(join(folder, 'tarballs'))
    const dependencies = { ...others, ...packed }
    const manifest = { name: 'fresh', private: true, dependencies, overrides: packed }
    await writeFile(join(folder, 'package.json'), JSON.stringify(manifest, null, 2))
    await exec('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts'], folder)
    return {
      folder,
      packages: Object.keys(packed).length,
      [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
    }
  } catch (error) {
    await rm(folder, { recursive: true, force: true })
    throw error
  }
}

/** Packs every published package into a folder. Returns what to depend on, by name. */
export async function packPackages(folder: string): Promise<Record<string, string>> {
  const packed: Record<string, string> = {}
  await mkdir(folder, { recursive: true })
  await twoAtATime(await publishedPackages(), async (name) => {
    const output = await exec(
      'npx',
      ['-y', 'pnpm@12', 'pack', '--json', '--pack-destination', folder],
      join(ROOT, 'packages', name),
    )
    const { filename } = JSON.parse(output.slice(output.indexOf('{'))) as { filename: string }
    packed[`@poolhouse/${name}`] = `file:${resolve(folder, filename)}`
  })
  return packed
}

async function publishedPackages(): Promise<string[]> {
  const names = await readdir(join(ROOT, 'packages'))
  const found: string[] = []
  for (const name of names) {
    const path = join(ROOT, 'packages', name, 'package.json')
    const manifest = JSON.parse(await readFile(path, 'utf8')) as { private?: boolean }
    if (manifest.private !== true) found.push(name)
  }
  return found
}
