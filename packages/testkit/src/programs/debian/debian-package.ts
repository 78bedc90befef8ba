import { constants } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { basename, delimiter, join } from 'node:path'
import { isThere } from '../../machine/is-there.js'
import { runCommand, tryCommand } from '../../machine/run-command.js'
import { findServerUser } from '../../machine/server-user.js'
import { createTemporaryDirectory } from '../../machine/temporary-directory.js'
import { dependenciesOf } from './apt.js'
import { cachedArchive } from './archive-cache.js'

/**
 * Which program of a package is wanted.
 *
 * @example
 * const { binary } = await debianPackage('pgbouncer', { binary: 'usr/sbin/pgbouncer' })
 */
export interface DebianPackageOptions {
  /** Path of the program inside the package, without a leading slash: `usr/sbin/pgbouncer`. */
  readonly binary: string
}

/** A program that can be run. */
export interface DebianProgram {
  /** Absolute path of the program. */
  readonly binary: string
  /** Variables that it needs: `LD_LIBRARY_PATH` if libraries came along, else nothing. */
  readonly env: Readonly<Record<string, string>>
}

/** Unpacked by this process, so that a package is unpacked once. */
const programs = new Map<string, Promise<DebianProgram>>()

/**
 * A program of a Debian package, without installing it: taken from the system if it is there, else
 * downloaded with `apt-get download` (as any user; once, see `cachedArchive`), unpacked into a
 * temporary directory that goes with this process, and joined by those libraries of its
 * dependencies that the system lacks. Root's programs can be run by `nobody`.
 *
 * Throws, with what failed as `cause` and with the way out, when the package cannot be had.
 *
 * @example
 * const { binary, env } = await debianPackage('pgbouncer', { binary: 'usr/sbin/pgbouncer' })
 */
export function debianPackage(name: string, options: DebianPackageOptions): Promise<DebianProgram> {
  const key = `${name}/${options.binary}`
  let program = programs.get(key)
  if (program === undefined) {
    program = findProgram(name, options.binary)
    programs.set(key, program)
    // A network that was away may be back at the next call.
    program.catch(() => programs.delete(key))
  }
  return program
}

async function findProgram(name: string, binary: string): Promise<DebianProgram> {
  const installed = await findInstalled(binary)
  if (installed !== undefined) return { binary: installed, env: {} }
  try {
    return await unpackProgram(name, binary)
  } catch (cause) {
    const why = cause instanceof Error ? cause.message.trim() : String(cause)
    throw new Error(
      `cannot get the program ${basename(binary)} of the Debian package ${name}: ${why}; ` +
        `either let apt-get reach its mirror (see /etc/apt/sources.list), or install ${name} so that ${basename(binary)} is in PATH`,
      { cause },
    )
  }
}

async function findInstalled(binary: string): Promise<string | undefined> {
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '')
  // Ordinary users have no sbin in their PATH.
  const candidates = [`/${binary}`, ...folders.map((folder) => join(folder, basename(binary)))]
  for (const candidate of candidates) {
    if (await isThere(candidate, constants.X_OK)) return candidate
  }
  return undefined
}

async function unpackProgram(name: string, binary: string): Promise<DebianProgram> {
  const root = await createTemporaryDirectory(findServerUser())
  await unpack(name, root)
  const program = join(root, binary)
  let missing = await missingLibraries(program, await libraryPath(root))
  // Breadth first, and only as deep as it takes: most libraries are on the system.
  const seen = new Set([name])
  for (let level = [name]; missing.length > 0; ) {
    const needed = (await Promise.all(level.map(dependenciesOf))).flat()
    level = [...new Set(needed)].filter((found) => found.startsWith('lib') && !seen.has(found))
    if (level.length === 0) {
      throw new Error(`no package that it depends on has ${missing.join(', ')}`)
    }
    for (const library of level) {
      seen.add(library)
      if (!(await isInstalled(library))) await unpack(library, root)
    }
    missing = await missingLibraries(program, await libraryPath(root))
  }
  const path = await libraryPath(root)
  return { binary: program, env: path === '' ? {} : { LD_LIBRARY_PATH: path } }
}

async function unpack(name: string, root: string): Promise<void> {
  const archive = await cachedArchive(name)
  await runCommand('dpkg-deb', ['--extract', archive, root], { cwd: root, user: undefined })
  // Archives carry the modes of `/`, and our umask may have closed what they do not say.
  await runCommand('chmod', ['-R', 'a+rX', root], { cwd: root, user: undefined })
}

async function isInstalled(name: string): Promise<boolean> {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg-query's own syntax.
  const query = ['-W', '-f', '${db:Status-Status}', name]
  const { code, stdout } = await tryCommand('dpkg-query', query, { cwd: '/', user: undefined })
  return code === 0 && stdout === 'installed'
}

/** The folders below `root` in which Debian's packages put libraries. */
export async function libraryPath(root: string): Promise<string> {
  const folders: string[] = []
  for (const parent of [join(root, 'usr/lib'), join(root, 'lib')]) {
    const names = await readdir(parent).catch(() => [])
    // Some packages, such as libpgpool2, put theirs beside the folders of the architectures.
    if (names.some((name) => name.includes('.so'))) folders.push(parent)
    folders.push(
      ...names.filter((name) => /-linux-gnu/.test(name)).map((name) => join(parent, name)),
    )
  }
  return folders.join(':')
}

/** Libraries that the loader does not find; none for a script. */
async function missingLibraries(program: string, path: string): Promise<string[]> {
  const options = { cwd: '/', user: undefined, env: { LD_LIBRARY_PATH: path } }
  const { stdout } = await tryCommand('ldd', [program], options)
  return [...stdout.matchAll(/^\s*(\S+) => not found$/gm)].map(([, library]) => library!)
}
