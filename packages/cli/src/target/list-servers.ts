import { userInfo } from 'node:os'
import {
  ConfigError,
  type ConnectionOptions,
  type Driver,
  readConnectionUrl,
} from '@poolhouse/core'
import { formatEndpoint, messageOf, systemClock } from '@poolhouse/core/kit'
import type { DatabaseOptions } from '@poolhouse/manager'
import type { ConfiguredRole, TargetServer } from './target.js'

/** How the servers of a database are given. */
export function kindOf({
  primary,
  replicas,
}: DatabaseOptions): 'single' | 'replicated' | 'followed' {
  if (primary === undefined) return 'followed'
  return replicas?.length ? 'replicated' : 'single'
}

/** The servers that a configuration lists; those of a discovery are not among them. */
export function listServers(
  name: string,
  { primary, replicas = [], nodes = [] }: DatabaseOptions,
  driver: Driver,
): readonly TargetServer[] {
  const read = (source: string | ConnectionOptions, role: ConfiguredRole): TargetServer[] =>
    connectionsOf(`databases.${name}`, source).map((one) => serverOf(one, role, driver))
  return [
    ...(primary === undefined ? [] : read(primary, 'primary')),
    ...replicas.flatMap((each) => read(each, 'replica')),
    ...[nodes].flat().flatMap((each) => read(each, 'node')),
  ]
}

/** The servers that the discovery of a database lists now. Rejects as it does. */
export async function discoverServers(
  { discover, connection = {} }: DatabaseOptions,
  driver: Driver,
  signal: AbortSignal,
): Promise<readonly TargetServer[]> {
  const { nodes } = await discover!.next({ signal, clock: systemClock })
  if (nodes.length === 0) throw new Error(`${discover!.name} lists no server`)
  return nodes.map(({ host, port }) => serverOf({ ...connection, host, port }, 'node', driver))
}

function connectionsOf(
  where: string,
  source: string | ConnectionOptions,
): readonly ConnectionOptions[] {
  if (typeof source !== 'string') return [source]
  try {
    return readConnectionUrl(where, source)
  } catch (error) {
    throw new ConfigError(messageOf(error), { cause: error })
  }
}

function serverOf(
  connection: ConnectionOptions,
  role: ConfiguredRole,
  driver: Driver,
): TargetServer {
  const { host = connection.hostaddr ?? 'localhost', port = 5432 } = connection
  const database = connection.database ?? connection.user ?? userInfo().username
  return { endpoint: formatEndpoint({ host, port, database }), role, connection, driver }
}
