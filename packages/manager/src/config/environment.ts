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

/** The databases of the environment, and where each value came from. */
export interface EnvironmentConfig {
  readonly databases: ReadonlyMap<string, DatabaseOptions>
  /** The variable of each value, by path. */
  readonly origins: ReadonlyMap<string, string>
  /** Ignored variables that look like a database, with the reason; never their values. */
  readonly skipped: ReadonlyMap<string, string>
}

// The database of DATABASE_URL and PG*.
const MAIN = 'app'
// Names of other addresses of the database in DATABASE_URL, as Railway, Heroku, Neon, Render and
// Prisma set them. Read only if `names` lists them.
const OTHER_ADDRESSES: ReadonlySet<string> = new Set([
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

// The variables by which libpq finds a server.
const LIBPQ_ADDRESS: readonly string[] = ['PGHOST', 'PGHOSTADDR', 'PGSERVICE', 'PGDATABASE']

/**
 * Reads `DATABASE_URL`, `DATABASE_REPLICA_URLS`, `DATABASE_<NAME>_URL`,
 * `DATABASE_<NAME>_REPLICA_URLS` and, without a `DATABASE_URL`, libpq's `PG*`. Of those with a name
 * it takes the ones that hold a PostgreSQL URL or keywords and are no other address of the main
 * database. Throws `ConfigError` with the name of the variable, never its value.
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
    names === undefined ? !OTHER_ADDRESSES.has(name) : names.has(name)
  const skip = (variable: string, reason: string): void => {
    if (read(variable) !== undefined) skipped.set(variable, reason)
  }
  const reasonToSkip = (name: string, variable: string): string => {
    if (!isAddress(read(variable))) return 'it holds no PostgreSQL URL'
    return names === undefined
      ? `its name means another address of the database in ${prefix}_URL; list "${name}" in env.names to take it`
      : `env.names does not list "${name}"`
  }
  const add = (name: string, url: string, replicaNames: readonly string[]): void => {
    const given = replicaNames.filter((each) => read(each) !== undefined)
    const text = read(url)
    // Only the main variable must hold an address; others may belong to other software.
    if (url !== `${prefix}_URL` && ![url, ...given].some((each) => isAddress(read(each)))) {
      for (const each of [url, ...given]) skip(each, 'it holds no PostgreSQL URL')
      return
    }
    const value = url === `${prefix}_URL` || isAddress(text) ? asUrl(url, text) : undefined
    if (given.length > 1)
      throw new ConfigError(`environment: ${given.join(' and ')} are both set; set one`)
    const [replicas] = given
    if (value === undefined) {
      if (replicas === undefined) return
      throw new ConfigError(
        `environment: ${replicas} is set, but ${url} is not a PostgreSQL URL; set the primary there`,
      )
    }
    if (replicas === undefined) {
      databases.set(name, meansCluster(value) ? { nodes: value } : { primary: value })
      origins.set(`databases.${name}`, url)
      return
    }
    if (meansCluster(value)) {
      throw new ConfigError(
        `environment: ${url} is a cluster, whose replicas are found out; leave ${replicas} out`,
      )
    }
    const list = listOf(replicas, read(replicas)!)
    databases.set(name, { primary: value, replicas: list })
    origins.set(`databases.${name}`, url).set(`databases.${name}.replicas`, replicas)
  }
  const main = [`${prefix}_URL`, `${prefix}_REPLICA_URLS`, `${prefix}_REPLICA_URL`] as const
  if (isWanted(MAIN)) add(MAIN, main[0], main.slice(1))
  else for (const variable of main) skip(variable, reasonToSkip(MAIN, variable))
  for (const name of namesIn(variables, prefix)) {
    const key = name.toLowerCase()
    const url = `${prefix}_${name}_URL`
    const replicas = [`${prefix}_${name}_REPLICA_URLS`, `${prefix}_${name}_REPLICA_URL`]
    if (!isWanted(key)) {
      for (const variable of [url, ...replicas]) skip(variable, reasonToSkip(key, variable))
      continue
    }
    if (databases.has(key) && isAddress(read(url))) {
      throw new ConfigError(`environment: ${url} and ${prefix}_URL are both database "${key}"`)
    }
    if (databases.has(key)) {
      skip(url, 'it holds no PostgreSQL URL')
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
    for (const variable of LIBPQ_ADDRESS) skip(variable, reason)
  }
  return { databases, origins, skipped }
}

/** Returns the database names that occur in the names of variables, in order. */
function namesIn(variables: Environment, prefix: string): ReadonlySet<string> {
  const names = new Set<string>()
  for (const variable of Object.keys(variables)) {
    if (!variable.startsWith(`${prefix}_`)) continue
    const name = /^([A-Z0-9_]+?)(?:_REPLICA_URLS?|_URL)$/.exec(
      variable.slice(prefix.length + 1),
    )?.[1]
    // Not the replicas of the main database.
    if (name !== undefined && !(name === 'REPLICA' && variable === `${prefix}_REPLICA_URL`)) {
      names.add(name)
    }
  }
  return names
}

function isAddress(value: string | undefined): boolean {
  return value !== undefined && isConnectionText(value)
}

/** Converts keywords into the equal URL. */
function asUrl<Value extends string | undefined>(variable: string, value: Value): Value | string {
  if (value === undefined) return value
  return inConfig(`environment: ${variable}`, () =>
    connectionUrl(`environment: ${variable}`, value),
  )
}

/**
 * Splits addresses on separate lines or separated by commas. A comma separates only if another URL
 * follows, because passwords and host lists may hold commas too. Keywords need separate lines.
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

/** Drops undefined and empty properties, so that a printed configuration is short. */
function tidy({ parameters, ...connection }: UrlConnection): UrlConnection {
  const named = Reflect.ownKeys(connection).filter(
    (key) => connection[key as keyof typeof connection] !== undefined,
  )
  const result = Object.fromEntries(
    named.map((key) => [key, connection[key as keyof typeof connection]]),
  )
  return Object.keys(parameters ?? {}).length === 0 ? result : { ...result, parameters }
}
