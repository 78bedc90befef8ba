import { isAbsolute, resolve } from 'node:path'
import type { Driver } from '@poolhouse/core'
import {
  connectionsOf,
  describeText,
  isConnectionText,
  parseConnectionUrl,
} from '@poolhouse/core/kit'
import {
  createManager,
  type DatabaseOptions,
  type LoadedConfig,
  loadConfig,
} from '@poolhouse/manager'
import type { CliIo } from '../io.js'
import { asUsage, UsageError } from '../outcome.js'
import { findDriver } from './find-driver.js'
import { discoverServers, kindOf, listServers } from './list-servers.js'
import type { Target, TargetDatabase } from './target.js'

/**
 * Which databases a command is about, as its arguments say.
 *
 * @example
 * await diagnose({ url: 'postgres://app@a,b/shop' })
 * await diagnose({ config: 'config/databases.json' })
 */
export interface TargetChoice {
  /** A connection URL, or keywords; one with several hosts is a cluster. Default: none. */
  readonly url?: string | undefined
  /**
   * A configuration file. Default: `poolhouse.config.*` in the working directory, if there is one.
   */
  readonly config?: string | undefined
}

// What a name of a database in the environment may be.
const IN_ENVIRONMENT = /^[a-z0-9_]+$/

/**
 * Finds the databases: of the URL; of the file, whose gaps the environment fills; else of
 * `poolhouse.config.*` in the working directory and of the environment, as `loadConfig` does.
 * Nothing is opened. Rejects with `UsageError` if there are none, and with `ConfigError`.
 */
export async function findTarget(
  choice: TargetChoice,
  { cwd, env }: Pick<CliIo, 'cwd' | 'env'>,
): Promise<Target> {
  const { config, origin } = await load(choice, cwd, env)
  const databases = Object.entries(config.databases) as [string, DatabaseOptions][]
  if (databases.length === 0) {
    throw new UsageError(
      'no database: give a URL or --config FILE, or set DATABASE_URL; `poolhouse init` writes a poolhouse.config.json',
    )
  }
  const { driver } = await findDriver(cwd)
  const keys = databases.flatMap(([, { driver: key }]) => (typeof key === 'string' ? [key] : []))
  // The protocol is core's, whichever library the application takes, so one driver stands for all.
  const drivers = Object.fromEntries(['pg', ...keys].map((key) => [key, driver]))
  // Checks everything, and opens nothing.
  await createManager({ drivers, ...config }).close()
  const targets = databases.map(([name, options]) => databaseOf(name, options, driver))
  const file = Object.values(config.origins).find((from) => isAbsolute(from))
  return { origin, file, config, drivers, databases: targets, secrets: secretsOf(databases) }
}

async function load(
  { url, config: path }: TargetChoice,
  directory: string,
  variables: CliIo['env'],
): Promise<{ config: LoadedConfig; origin: string }> {
  if (url !== undefined) {
    if (path !== undefined) throw new UsageError('give a URL or --config FILE, not both')
    const app = fromUrl(url, variables)
    const config = await loadConfig({ file: false, env: false, code: { databases: { app } } })
    return { config, origin: 'the URL' }
  }
  if (path !== undefined) {
    const alone = await loadConfig({ file: path, directory, env: false })
    const names = Object.keys(alone.databases).filter((name) => IN_ENVIRONMENT.test(name))
    const config = await loadConfig({ file: path, directory, env: { variables, names } })
    return { config, origin: resolve(directory, path) }
  }
  const config = await loadConfig({ directory, env: { variables } })
  return { config, origin: [...new Set(Object.values(config.origins))].join(', ') }
}

/** The database of a URL. Without a password in it, `PGPASSWORD` is taken, as psql does. */
function fromUrl(url: string, { PGPASSWORD: password }: CliIo['env']): string | DatabaseOptions {
  if (!isConnectionText(url)) {
    throw new UsageError(
      `the argument must be a URL such as postgres://user@host/database, got ${describeText(url)}; a file is given as --config FILE`,
    )
  }
  const where = 'the URL'
  const parsed = asUsage(() => parseConnectionUrl(where, url))
  const { targetSessionAttrs: role = 'any' } = parsed
  const isKnown = parsed.password !== undefined || parsed.passwordFile !== undefined
  if (isKnown || !password || !['any', 'primary', 'read-write'].includes(role)) return url
  const servers = asUsage(() => connectionsOf(where, parsed)).map((one) => ({ ...one, password }))
  return servers.length > 1 || role !== 'any' ? { nodes: servers } : { primary: servers[0]! }
}

function databaseOf(name: string, options: DatabaseOptions, ours: Driver): TargetDatabase {
  const { driver: given = ours } = options
  const driver = typeof given === 'string' ? ours : given
  return {
    name,
    kind: kindOf(options),
    options,
    servers: async (signal) =>
      options.discover === undefined
        ? listServers(name, options, driver)
        : await discoverServers(options, driver, signal),
  }
}

function secretsOf(databases: readonly [string, DatabaseOptions][]): ReadonlySet<string> {
  const found = new Set<string>()
  for (const [name, options] of databases) {
    const listed = listServers(name, options, undefined as never).map((one) => one.connection)
    for (const { password } of [...listed, options.connection ?? {}]) {
      if (typeof password === 'string') found.add(password)
    }
  }
  return found
}
