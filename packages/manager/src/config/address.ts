import { ConfigError, type TargetSessionAttrs } from '@poolhouse/core'
import {
  connectionsOf,
  type ParsedConnectionUrl,
  parseConnectionUrl,
  type UrlConnection,
} from '@poolhouse/core/kit'

// What the URL of a cluster may ask for. All of them mean that the primary is followed.
const FOLLOWED: ReadonlySet<TargetSessionAttrs> = new Set(['any', 'read-write', 'primary'])

/** Parses a URL or keywords. Throws `ConfigError`, which shows nothing that may be a secret. */
export function parseAddress(where: string, text: string): ParsedConnectionUrl {
  return inConfig(where, () => parseConnectionUrl(where, text))
}

/**
 * Whether a URL means a cluster whose primary is followed: it lists several hosts, or asks for the
 * primary by `target_session_attrs`. False for an unreadable URL, which is refused later.
 */
export function meansCluster(text: string): boolean {
  try {
    return isCluster(parseConnectionUrl('', text))
  } catch {
    return false
  }
}

/** As `meansCluster`, for a parsed URL. */
export function isCluster({ hosts, targetSessionAttrs }: ParsedConnectionUrl): boolean {
  return hosts.length > 1 || targetSessionAttrs === 'primary' || targetSessionAttrs === 'read-write'
}

/**
 * Returns the connections to the nodes of a cluster. Throws `ConfigError` for a URL that asks for
 * standbys: reads go to replicas by `reader()` and by intent.
 */
export function nodesOf(where: string, url: ParsedConnectionUrl): readonly UrlConnection[] {
  const { targetSessionAttrs = 'any' } = url
  if (!FOLLOWED.has(targetSessionAttrs)) {
    throw new ConfigError(
      `${where}: target_session_attrs must be any, read-write or primary, and the primary is followed; to read from standbys use reader() or intent: 'read'`,
    )
  }
  return inConfig(where, () => connectionsOf(where, url))
}

/**
 * Returns the connection to the one server that a URL names. Throws `ConfigError` if it lists
 * several, or asks for a role.
 */
export function serverOf(where: string, url: ParsedConnectionUrl): UrlConnection {
  const { hosts, targetSessionAttrs = 'any' } = url
  if (hosts.length > 1) {
    throw new ConfigError(
      `${where}: a primary or replica is one server, and the URL lists ${hosts.length}; give the list as nodes`,
    )
  }
  if (targetSessionAttrs !== 'any' && targetSessionAttrs !== 'prefer-standby') {
    throw new ConfigError(
      `${where}: target_session_attrs asks for a server by its role, but a primary or replica is one fixed server; leave it out, or give the servers as nodes, whose primary is followed`,
    )
  }
  return inConfig(where, () => connectionsOf(where, url))[0]!
}

/**
 * Runs `read` and turns core's error about a wrong URL, which holds no secret, into `ConfigError`.
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
