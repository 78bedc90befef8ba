import { dirname, join } from 'node:path'
import { isThere } from '../machine/is-there.js'
import { runCommand } from '../machine/run-command.js'
import { findServerUser } from '../machine/server-user.js'
import {
  createTemporaryDirectory,
  removeTemporaryDirectory,
} from '../machine/temporary-directory.js'
import { findBinaries } from './binaries.js'
import { type ResolvedClusterOptions, resolveClusterOptions } from './cluster-options.js'
import { createHome, initialiseDataDirectory, passwordEncryption } from './data-directory.js'
import type { ServerPlace } from './server-process.js'
import { renewSystemIdentifier } from './system-identifier.js'

const FOLDER = 'POOLHOUSE_TEST_SHARED'
const PROGRAMS = 'POOLHOUSE_TEST_PG_BIN'

/**
 * Makes once what every cluster needs: a copy of PostgreSQL that the server's user can run, where
 * one is needed, and a data directory fresh from initdb. Processes that are started afterwards copy
 * that instead of making their own, which takes a third of the time; this one does so too. For the
 * global set-up of a test runner. All of it goes when the result is disposed of, and in any case
 * when this process ends. Throws as `startCluster` does.
 *
 * @example
 * // vitest: test.globalSetup
 * export default async () => {
 *   const shared = await shareServerFiles()
 *   return () => shared[Symbol.asyncDispose]()
 * }
 */
export async function shareServerFiles(): Promise<AsyncDisposable> {
  const options = resolveClusterOptions()
  const user = findServerUser()
  const binaries = await findBinaries(undefined, user)
  const directory = await createTemporaryDirectory(user)
  const before = [FOLDER, PROGRAMS].map((name) => [name, process.env[name]] as const)
  const home = join(directory, nameOf(binaries.version, options))
  const place = { name: 'shared', binaries, user, home }
  await createHome(place)
  await initialiseDataDirectory(place, options)
  process.env[FOLDER] = directory
  process.env[PROGRAMS] = dirname(binaries.postgres)
  return {
    async [Symbol.asyncDispose]() {
      for (const [name, value] of before) {
        if (value === undefined) delete process.env[name]
        else process.env[name] = value
      }
      await removeTemporaryDirectory(directory)
    },
  }
}

/**
 * Makes a data directory from the shared one, with a system identifier of its own. Returns whether
 * there was one for these options.
 */
export async function copySharedDataDirectory(
  { binaries, home, user }: ServerPlace,
  options: ResolvedClusterOptions,
): Promise<boolean> {
  const folder = process.env[FOLDER]
  if (folder === undefined) return false
  const shared = join(folder, nameOf(binaries.version, options), 'data')
  if (!(await isThere(join(shared, 'PG_VERSION')))) return false
  const data = join(home, 'data')
  await runCommand('cp', ['-RP', shared, data], { cwd: home, user })
  await renewSystemIdentifier(data)
  return true
}

function nameOf(version: number, options: ResolvedClusterOptions): string {
  return encodeURIComponent(`${version} ${passwordEncryption(options)} ${options.database}`)
}
