import { ConfigError } from '@poolhouse/core'
import {
  connectionsOf,
  connectionUrl,
  isConnectionText,
  parseLibpqEnvironment,
  type UrlConnection,
} from '@poolhouse/core/kit'
import type { DatabaseOptions } from '../options/database-options.js'
import { inConfig, isCluster, meansCluster, nodesOf } from './address.js'
import type { Environment, EnvironmentSource } from './environment-options.js'

/** What the environment says: databases by name, and where each of their values came from. */
export interface EnvironmentConfig {
  readonly databases: ReadonlyMap<string, DatabaseOptions>
  /** Variables by path. */
  readonly origins: ReadonlyMap<string, string>
  /**
   * Variables that look like those of a database and were not taken, with the reason; never their
   * values.
   */
  readonly skipped: ReadonlyMap<string, string>
}

// Where DATABASE_URL and PG* lead.
const MAIN = 'app'
// Names under which vendors put other ways to the database of DATABASE_URL: Railway, Heroku, Neon,
// Render, Prisma. Databases only if `names` says so.
const OTHER_WAYS: ReadonlySet<string> = new Set([
  'public',
  'private',
  'internal',
  'external',
  'connection_pool',
  'pool',
  'pooled',
  'pooler',
  'pooling',
  'unpooled',
  'non_pooling',
  'public_unpooled',
  'private_unpooled',
  'direct',
  'proxy',
  'shadow',
])

// What says to libpq where the server is.
const PLACES_OF_LIBPQ: readonly string[] = ['PGHOST', 'PGHOSTADDR', 'PGSERVICE', 'PGDATABASE']

/**
 * Reads `DATABASE_URL`, `DATABASE_REPLICA_URLS`, `DATABASE_<NAME>_URL`,
 * `DATABASE_<NAME>_REPLICA_URLS` and, where there is no `DATABASE_URL`, libpq's `PG*`. Of the named
 * ones only those count that hold a PostgreSQL URL, or the keywords of one, and whose name is not
 * that of another way to the same database. Throws `ConfigError` naming the variable, never its
 * value.
 */
export function readEnvironment({
  variables,
  prefix,
  names,
}: EnvironmentSource): EnvironmentConfig {
  const databases = new Map<string, DatabaseOptions>()
  const origins = new Map<string, string>()
  const skipped = new Map<string, string>()
  const read = (variable: string): string | undefined => {
    const value = Object.hasOwn(variables, variable) ? variables[variable]?.trim() : undefined
    return value === '' ? undefined : value
  }
  const isWanted = (name: string): boolean =>
    names === undefined ? !OTHER_WAYS.has(name) : names.has(name)
  const skip = (variable: string, reason: string): void => {
    if (read(variable) !== undefined) skipped.set(variable, reason)
  }
  const whyNot = (name: string, variable: string): string => {
    if (!isAddress(read(variable))) return 'it holds no URL of PostgreSQL'
    return names === undefined
      ? `its name is that of another way to the database of ${prefix}_URL; list "${name}" in env.names to take it`
      : `env.names does not list "${name}"`
  }
  const add = (name: string, url: string, replicaNames: readonly string[]): void => {
    const given = replicaNames.filter((each) => read(each) !== undefined)
    const text = read(url)
    // What is no address of PostgreSQL is not meant, where it is not the main one.
    if (url !== `${prefix}_URL` && ![url, ...given].some((each) => isAddress(read(each)))) {
      for (const each of [url, ...given]) skip(each, 'it holds no URL of PostgreSQL')
      return
    }
    const value = url === `${prefix}_URL` || isAddress(text) ? asUrl(url, text) : undefined
    if (given.length > 1)
      throw new ConfigError(`environment: ${given.join(' and ')} are both set; set one`)
    const [replicas] = given
    if (value === undefined) {
      if (replicas === undefined) return
      throw new ConfigError(
        `environment: ${replicas} is set, and ${url} is not, or is no URL of PostgreSQL: replicas of which primary?`,
      )
    }
    if (replicas === undefined) {
      databases.set(name, meansCluster(value) ? { nodes: value } : { primary: value })
      origins.set(`databases.${name}`, url)
      return
    }
    if (meansCluster(value)) {
      throw new ConfigError(
        `environment: ${url} is that of a cluster, whose nodes find out by themselves who is a replica; leave ${replicas} out`,
      )
    }
    const list = listOf(replicas, read(replicas)!)
    databases.set(name, { primary: value, replicas: list })
    origins.set(`databases.${name}`, url).set(`databases.${name}.replicas`, replicas)
  }
  const main = [`${prefix}_URL`, `${prefix}_REPLICA_URLS`, `${prefix}_REPLICA_URL`] as const
  if (isWanted(MAIN)) add(MAIN, main[0], main.slice(1))
  else for (const variable of main) skip(variable, whyNot(MAIN, variable))
  for (const name of namesIn(variables, prefix)) {
    const key = name.toLowerCase()
    const url = `${prefix}_${name}_URL`
    const replicas = [`${prefix}_${name}_REPLICA_URLS`, `${prefix}_${name}_REPLICA_URL`]
    if (!isWanted(key)) {
      for (const variable of [url, ...replicas]) skip(variable, whyNot(key, variable))
      continue
    }
    if (databases.has(key) && isAddress(read(url))) {
      throw new ConfigError(`environment: ${url} and ${prefix}_URL are both database "${key}"`)
    }
    if (databases.has(key)) {
      skip(url, 'it holds no URL of PostgreSQL')
      continue
    }
    add(key, url, replicas)
  }
  if (!databases.has(MAIN) && isWanted(MAIN)) {
    const given = readLibpq(variables)
    if (given !== undefined) {
      databases.set(MAIN, given)
      origins.set(`databases.${MAIN}`, 'PG*')
    }
  } else {
    const reason = isWanted(MAIN) ? `${main[0]} is set` : `env.names does not list "${MAIN}"`
    for (const variable of PLACES_OF_LIBPQ) skip(variable, reason)
  }
  return { databases, origins, skipped }
}

/** The names of databases in the names of variables, in their order. */
function namesIn(variables: Environment, prefix: string): ReadonlySet<string> {
  const names = new Set<string>()
  for (const variable of Object.keys(variables)) {
    if (!variable.startsWith(`${prefix}_`)) continue
    const name = /^([A-Z0-9_]+?)(?:_REPLICA_URLS?|_URL)$/.exec(
      variable.slice(prefix.length + 1),
    )?.[1]
    // The replicas of the main one.
    if (name !== undefined && !(name === 'REPLICA' && variable === `${prefix}_REPLICA_URL`)) {
      names.add(name)
    }
  }
  return names
}

function isAddress(value: string | undefined): boolean {
  return value !== undefined && isConnectionText(value)
}

/** Keywords as the URL that says the same. */
function asUrl<Value extends string | undefined>(variable: string, value: Value): Value | string {
  if (value === undefined) return value
  return inConfig(`environment: ${variable}`, () =>
    connectionUrl(`environment: ${variable}`, value),
  )
}

/**
 * Addresses, one on a line or separated by commas. A comma is a separator only before the beginning
 * of another URL, because passwords and lists of hosts have commas, too; keywords need lines.
 */
function listOf(variable: string, text: string): string[] {
  const list = text.split(/\n|,(?=\s*[a-z+]+:\/\/)/).map((each) => each.trim().replace(/,$/, ''))
  return list.filter((each) => each !== '').map((each) => asUrl(variable, each))
}

function readLibpq(variables: Environment): DatabaseOptions | undefined {
  const where = 'environment'
  const parsed = inConfig(where, () => parseLibpqEnvironment(where, variables))
  if (parsed === undefined) return undefined
  if (!isCluster(parsed) && (parsed.targetSessionAttrs ?? 'any') === 'any') {
    return { primary: tidy(inConfig(where, () => connectionsOf(where, parsed))[0]!) }
  }
  return { nodes: nodesOf(`${where}: PGTARGETSESSIONATTRS`, parsed).map(tidy) }
}

/** Without what says nothing, for those who print it. */
function tidy({ parameters, ...connection }: UrlConnection): UrlConnection {
  const named = Reflect.ownKeys(connection).filter(
    (key) => connection[key as keyof typeof connection] !== undefined,
  )
  const result = Object.fromEntries(
    named.map((key) => [key, connection[key as keyof typeof connection]]),
  )
  return Object.keys(parameters ?? {}).length === 0 ? result : { ...result, parameters }
}
