import { copyFile, mkdir, readdir, readFile, rename, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { isThere, succeeds } from '../../machine/is-there.js'
import {
  createTemporaryDirectory,
  removeTemporaryDirectory,
} from '../../machine/temporary-directory.js'
import { downloadArchive } from './apt.js'

/**
 * Path of the archive (`.deb`) of a package: downloaded once, then kept in
 * `node_modules/.cache/poolhouse-testkit` of the project that runs, in a folder for this release of
 * the system. Where no `node_modules` can be written to, it goes with this process.
 */
export async function cachedArchive(name: string, from: string = process.cwd()): Promise<string> {
  const folder = await cacheFolder(from)
  const path = join(folder, `${name}.deb`)
  if (await isThere(path)) return path
  const download = await createTemporaryDirectory(undefined)
  try {
    await downloadArchive(name, download)
    const [archive] = (await readdir(download)).filter((file) => file.endsWith('.deb'))
    if (archive === undefined) throw new Error(`apt-get download ${name} left no archive`)
    // Another process may do the same: the last one replaces a whole file by an equal one.
    const part = join(folder, `${name}.${process.pid}.part`)
    await copyFile(join(download, archive), part)
    await rename(part, path)
  } finally {
    await removeTemporaryDirectory(download)
  }
  return path
}

async function cacheFolder(from: string): Promise<string> {
  const release = `${await releaseName()}-${process.arch}`
  const modules = await nearestModules(from)
  if (modules !== undefined) {
    const folder = join(modules, '.cache', 'poolhouse-testkit', release)
    if (await succeeds(mkdir(folder, { recursive: true }))) return folder
  }
  return await createTemporaryDirectory(undefined)
}

/** `debian-12`: archives of another release want other libraries. */
async function releaseName(): Promise<string> {
  const text = await readFile('/etc/os-release', 'utf8').catch(() => '')
  const [id, version] = ['ID', 'VERSION_ID'].map(
    (key) => new RegExp(`^${key}="?([\\w.]+)`, 'm').exec(text)?.[1],
  )
  return `${id ?? process.platform}-${version ?? 'rolling'}`
}

async function nearestModules(folder: string): Promise<string | undefined> {
  const modules = join(folder, 'node_modules')
  const found = await stat(modules).then(
    (stats) => stats.isDirectory(),
    () => false,
  )
  if (found) return modules
  const parent = dirname(folder)
  return parent === folder ? undefined : nearestModules(parent)
}
