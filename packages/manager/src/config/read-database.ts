import { ConfigError, type ConnectionOptions, type Driver, type Pool } from '@poolhouse/core'
import { describeName, describeText, looksSecret, nearestName } from '@poolhouse/core/kit'
import type { DatabaseConfig, DatabaseOptions } from '../options/database-options.js'
import type { DatabaseSpec, ServerSpec } from '../options/database-spec.js'
import { isCluster, nodesOf, parseAddress, serverOf } from './address.js'
import { check, DATABASE } from './schema.js'
import { SMALLEST_CODE } from './smallest-config.js'

const DEFAULT_PORT = 5432

/** Whether the value is a pool that was made elsewhere. */
export function isReadyPool(config: unknown): config is Pool {
  const { query, acquire } = (config ?? {}) as Partial<Pool>
  return typeof query === 'function' && typeof acquire === 'function'
}

/** Checks the configuration of one database and brings it into one shape. Throws `ConfigError`. */
export function readDatabase(
  name: string,
  config: Exclude<DatabaseConfig, Pool>,
  drivers: ReadonlyMap<string, Driver>,
): DatabaseSpec {
  if (looksSecret(name)) {
    throw new ConfigError(
      `createManager: the name of a database appears in messages, so it must not hold a secret, got ${describeText(name)}`,
    )
  }
  const where = `databases.${name}`
  check('createManager', DATABASE, config, ['databases', name])
  const options: DatabaseOptions =
    typeof config !== 'string'
      ? config
      : isCluster(parseAddress(where, config))
        ? { nodes: config }
        : { primary: config }
  const { primary, replicas, nodes, discover, connection } = options
  const given = [primary, nodes, discover].filter((each) => each !== undefined).length
  if (given !== 1) {
    throw new ConfigError(
      `${where}: give exactly one of primary, nodes and discover, got ${given}${given === 0 ? SMALLEST_CODE : ''}`,
    )
  }
  if (replicas !== undefined && primary === undefined) {
    throw new ConfigError(`${where}: replicas need primary; with nodes the roles are found out`)
  }
  if ((discover === undefined) !== (connection === undefined)) {
    throw new ConfigError(
      `${where}: discover and connection belong together: where the servers are, and how to log in`,
    )
  }
  if (options.failover !== undefined && primary !== undefined) {
    throw new ConfigError(
      `${where}: failover needs nodes or discover; a fixed primary is not followed`,
    )
  }
  const kind = primary === undefined ? 'followed' : replicas?.length ? 'replicated' : 'single'
  const sources =
    primary !== undefined
      ? [primary, ...(replicas ?? [])]
      : typeof nodes === 'string'
        ? [nodes]
        : (nodes ?? [])
  const servers = sources.flatMap((source) => serversOf(where, source, primary === undefined))
  refuseTwins(where, servers)
  return {
    name,
    driver: readDriver(where, options.driver, drivers),
    kind,
    servers,
    discover,
    template: connection ?? servers[0]!.connection,
    pool: options.pool ?? {},
    failover: options.failover ?? {},
    reads: options.reads ?? {},
    weight: options.weight ?? 1,
  }
}

function serversOf(
  where: string,
  source: string | ConnectionOptions,
  isNode: boolean,
): ServerSpec[] {
  if (typeof source !== 'string') return [serverSpec(source)]
  const url = parseAddress(where, source)
  const connections = isNode ? nodesOf(where, url) : [serverOf(where, url)]
  return connections.map(serverSpec)
}

function serverSpec(connection: ConnectionOptions): ServerSpec {
  const { host = connection.hostaddr ?? 'localhost', port = DEFAULT_PORT } = connection
  return { host, port, connection: { ...connection, host, port } }
}

function refuseTwins(where: string, servers: readonly ServerSpec[]): void {
  const seen = new Set<string>()
  for (const { host, port } of servers) {
    const key = `${host}:${port}`
    if (seen.has(key)) throw new ConfigError(`${where}: server ${key} is listed twice`)
    seen.add(key)
  }
}

function readDriver(
  where: string,
  driver: string | Driver | undefined,
  drivers: ReadonlyMap<string, Driver>,
): Driver {
  if (driver !== undefined && typeof driver !== 'string') return driver
  const [first] = drivers.values()
  const found = driver === undefined ? first : drivers.get(driver)
  if (found !== undefined) return found
  if (driver === undefined) {
    throw new ConfigError(
      `${where}: no driver; give drivers: { pg: nodePostgres() } to createManager, or driver to the database${SMALLEST_CODE}`,
    )
  }
  const near = nearestName(driver, drivers.keys())
  throw new ConfigError(
    `${where}: driver ${describeName(driver)} is not among drivers (${[...drivers.keys()].join(', ') || 'none are given'})${near === undefined ? '' : `; did you mean "${near}"?`}`,
  )
}
