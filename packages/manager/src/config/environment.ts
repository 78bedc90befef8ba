import { ConfigError, type ConnectionOptions, connectionUrl } from '@poolhouse/core'
import type { DatabaseOptions } from '../database-options.js'

/** What the environment says: databases by name, and where each of their values came from. */
export interface EnvironmentConfig {
  readonly databases: ReadonlyMap<string, DatabaseOptions>
  /** Variables by path. */
  readonly origins: ReadonlyMap<string, string>
}

/** Variables of the environment. */
export type Environment = Readonly<Record<string, string | undefined>>

// Where DATABASE_URL and PG* lead.
const MAIN = 'app'
const NAMED = /^DATABASE_([A-Z0-9_]+?)(_REPLICA_URLS?|_URL)$/
const OF_THE_MAIN_ONE: ReadonlySet<string> = new Set([
  'DATABASE_REPLICA_URL',
  'DATABASE_REPLICA_URLS',
])
const SSL_MODES: readonly string[] = ['disable', 'prefer', 'require', 'verify-ca', 'verify-full']
const FOR_WRITES: readonly string[] = ['any', 'read-write', 'primary']

/**
 * Reads `DATABASE_URL`, `DATABASE_REPLICA_URLS`, `DATABASE_<NAME>_URL`, `DATABASE_<NAME>_REPLICA_URLS` and, where there is no `DATABASE_URL`,
 * libpq's `PG*`. Throws `ConfigError` naming the variable, never its value.
 */
export function readEnvironment(env: Environment): EnvironmentConfig {
  const databases = new Map<string, DatabaseOptions>()
  const origins = new Map<string, string>()
  const read = (variable: string): string | undefined => {
    const value = Object.hasOwn(env, variable) ? env[variable]?.trim() : undefined
    return value === '' ? undefined : value
  }
  const add = (name: string, url: string, replicaNames: readonly string[]): void => {
    const value = asUrl(url, read(url))
    const given = replicaNames.filter((each) => read(each) !== undefined)
    if (given.length > 1)
      throw new ConfigError(`environment: ${given.join(' and ')} are both set; set one`)
    const [replicas] = given
    if (value === undefined) {
      if (replicas === undefined) return
      throw new ConfigError(
        `environment: ${replicas} is set, and ${url} is not: replicas of which primary?`,
      )
    }
    if (replicas === undefined) {
      databases.set(name, listsHosts(value) ? { nodes: value } : { primary: value })
      origins.set(`databases.${name}`, url)
      return
    }
    if (listsHosts(value)) {
      throw new ConfigError(
        `environment: ${url} lists several hosts, which find out by themselves who is a replica; leave ${replicas} out`,
      )
    }
    const list = listOf(replicas, read(replicas)!)
    databases.set(name, { primary: value, replicas: list })
    origins.set(`databases.${name}`, url).set(`databases.${name}.replicas`, replicas)
  }
  add(MAIN, 'DATABASE_URL', ['DATABASE_REPLICA_URLS', 'DATABASE_REPLICA_URL'])
  const names = new Set<string>()
  for (const variable of Object.keys(env)) {
    const name = OF_THE_MAIN_ONE.has(variable) ? undefined : NAMED.exec(variable)?.[1]
    if (name !== undefined) names.add(name)
  }
  for (const name of names) {
    const key = name.toLowerCase()
    if (databases.has(key))
      throw new ConfigError(
        `environment: DATABASE_${name}_URL and DATABASE_URL are both database "${key}"`,
      )
    add(key, `DATABASE_${name}_URL`, [
      `DATABASE_${name}_REPLICA_URLS`,
      `DATABASE_${name}_REPLICA_URL`,
    ])
  }
  if (!databases.has(MAIN)) {
    const connections = readLibpq(read)
    if (connections !== undefined) {
      const [only, ...others] = connections
      databases.set(MAIN, others.length === 0 ? { primary: only! } : { nodes: connections })
      origins.set(`databases.${MAIN}`, 'PG*')
    }
  }
  return { databases, origins }
}

/** Keywords as the URL that says the same. */
function asUrl<Value extends string | undefined>(variable: string, value: Value): Value | string {
  if (value === undefined) return value
  try {
    return connectionUrl(`environment: ${variable}`, value)
  } catch (error) {
    throw new ConfigError((error as Error).message, { cause: error })
  }
}

/** Addresses, one on a line or separated by commas; keywords may have commas in their values, so that they need lines. */
function listOf(variable: string, text: string): string[] {
  const separator = text.includes('://') ? /[,\n]/ : '\n'
  const list = text.split(separator).map((each) => each.trim())
  return list.filter((each) => each !== '').map((each) => asUrl(variable, each))
}

/** Whether the part of the URL, or of the keywords, that names hosts names several. One that cannot be read is refused later. */
export function listsHosts(text: string): boolean {
  let url: string
  try {
    url = connectionUrl('', text)
  } catch {
    return false
  }
  const authority = url.split('://', 2)[1]?.split(/[/?]/, 1)[0] ?? ''
  if (authority.slice(authority.lastIndexOf('@') + 1).includes(',')) return true
  return /[?&]host=[^&]*(?:,|%2c)/i.test(url)
}

function readLibpq(
  read: (variable: string) => string | undefined,
): ConnectionOptions[] | undefined {
  const host = read('PGHOST')
  const portList = read('PGPORT')
  const database = read('PGDATABASE')
  if (host === undefined && portList === undefined && database === undefined) return undefined
  const hosts = (host ?? 'localhost').split(',')
  const ports = portList?.split(',') ?? []
  if (ports.length > 1 && ports.length !== hosts.length) {
    throw new ConfigError(
      `environment: PGPORT lists ${ports.length} ports for the ${hosts.length} hosts of PGHOST`,
    )
  }
  const attributes = read('PGTARGETSESSIONATTRS')
  if (attributes !== undefined && !FOR_WRITES.includes(attributes)) {
    throw new ConfigError(
      'environment: PGTARGETSESSIONATTRS must be any, read-write or primary, which all mean that the primary is followed',
    )
  }
  const mode = read('PGSSLMODE')
  if (mode !== undefined && !SSL_MODES.includes(mode)) {
    throw new ConfigError(`environment: PGSSLMODE must be one of ${SSL_MODES.join(', ')}`)
  }
  const common: ConnectionOptions = {
    ...given('user', read('PGUSER')),
    ...given('password', read('PGPASSWORD')),
    ...given('database', database),
    ...given('applicationName', read('PGAPPNAME')),
    ...(mode === undefined ? {} : { ssl: { mode: mode as 'require' } }),
  }
  return hosts.map((each, index) => {
    const port = ports.length > 1 ? ports[index] : ports[0]
    return { ...common, host: each.trim(), ...(port === undefined ? {} : { port: portOf(port) }) }
  })
}

function portOf(text: string): number {
  const port = /^\s*\d{1,5}\s*$/.test(text) ? Number(text) : Number.NaN
  if (port >= 1 && port <= 65_535) return port
  throw new ConfigError(
    'environment: PGPORT must be a number from 1 to 65535, or one for each host',
  )
}

function given<Name extends string>(
  name: Name,
  value: string | undefined,
): { [key in Name]?: string } {
  return value === undefined ? {} : ({ [name]: value } as { [key in Name]?: string })
}
