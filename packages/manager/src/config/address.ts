import { ConfigError, type TargetSessionAttrs } from '@poolhouse/core'
import {
  connectionsOf,
  type ParsedConnectionUrl,
  parseConnectionUrl,
  type UrlConnection,
} from '@poolhouse/core/kit'

// What a cluster's URL may ask for: a primary is what its nodes are followed for.
const FOLLOWED: ReadonlySet<TargetSessionAttrs> = new Set(['any', 'read-write', 'primary'])

/**
 * Takes a URL or keywords apart. Throws `ConfigError` that never shows a part that may hold a
 * secret.
 */
export function parseAddress(where: string, text: string): ParsedConnectionUrl {
  return inConfig(where, () => parseConnectionUrl(where, text))
}

/**
 * Whether a URL means a cluster whose primary is followed: it lists several hosts, or asks for the
 * primary by `target_session_attrs`. One that cannot be read does not; it is refused later.
 */
export function meansCluster(text: string): boolean {
  try {
    return isCluster(parseConnectionUrl('', text))
  } catch {
    return false
  }
}

/** As `meansCluster`, of a URL that was taken apart. */
export function isCluster({ hosts, targetSessionAttrs }: ParsedConnectionUrl): boolean {
  return hosts.length > 1 || targetSessionAttrs === 'primary' || targetSessionAttrs === 'read-write'
}

/**
 * The connections of the nodes of a cluster. Throws `ConfigError` for a URL that asks for standbys:
 * the primary is followed, and reads go to replicas by `reader()` and intents.
 */
export function nodesOf(where: string, url: ParsedConnectionUrl): readonly UrlConnection[] {
  const { targetSessionAttrs = 'any' } = url
  if (!FOLLOWED.has(targetSessionAttrs)) {
    throw new ConfigError(
      `${where}: target_session_attrs must be any, read-write or primary, which all mean that the primary is followed; reads on standbys are those of reader() and of intent: 'read'`,
    )
  }
  return inConfig(where, () => connectionsOf(where, url))
}

/**
 * The connection of the one server that a URL must name. Throws `ConfigError` for several, and for
 * a role.
 */
export function serverOf(where: string, url: ParsedConnectionUrl): UrlConnection {
  const { hosts, targetSessionAttrs = 'any' } = url
  if (hosts.length > 1) {
    throw new ConfigError(
      `${where}: a primary or replica is one server, the URL lists ${hosts.length}; give the list as nodes`,
    )
  }
  if (targetSessionAttrs !== 'any' && targetSessionAttrs !== 'prefer-standby') {
    throw new ConfigError(
      `${where}: target_session_attrs asks for a server by its role, and a primary or replica is one server, whatever its role; leave it out, or give the servers as nodes, whose primary is found and followed`,
    )
  }
  return inConfig(where, () => connectionsOf(where, url))[0]!
}

/**
 * What core says about a wrong URL, as the error of a configuration. Its messages hold no secrets.
 */
export function inConfig<R>(where: string, read: () => R): R {
  try {
    return read()
  } catch (error) {
    const { message } = error as Error
    throw new ConfigError(message.startsWith(where) ? message : `${where}: ${message}`, {
      cause: error,
    })
  }
}
