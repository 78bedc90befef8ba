import {
  describeServer,
  isRestarted,
  isSameServer,
  type ServerIdentity,
} from './server-identity.js'

// A name that leads to more of them at once is no name that anything could be promised of.
const MOST = 32

/** A server to which connections of a pool lead. */
export interface ServerInUse {
  /** The server. */
  readonly server: ServerIdentity
  /** Connections of the pool that lead to it, those outside `max` not counted. */
  readonly connections: number
}

/**
 * Owns which servers the name of one pool has led to. Sessions that were told the same share one
 * object for it. A restarted server takes the place of its former life.
 */
export class ServerSightings {
  readonly #noticed: (servers: readonly ServerIdentity[], message: string) => void
  // Made with the first session: most pools lead to one server, and idle pools may be many.
  #seen: ServerIdentity[] | undefined

  /** `noticed` is called whenever the name leads to one more server. */
  constructor(noticed: (servers: readonly ServerIdentity[], message: string) => void) {
    this.#noticed = noticed
  }

  /** The pool's name leads elsewhere from now on, by configuration. */
  forget(): void {
    this.#seen = undefined
  }

  /** A session was opened that leads to this server. Returns the object to keep for it. */
  add(server: ServerIdentity): ServerIdentity {
    this.#seen ??= []
    const seen = this.#seen
    for (const one of seen) if (isEqual(one, server)) return one
    const former = seen.findIndex((one) => isSameServer(one, server) || isRestarted(one, server))
    if (former !== -1) {
      seen[former] = server
      return server
    }
    seen.push(server)
    if (seen.length > MOST) seen.shift()
    if (seen.length > 1) {
      const names = seen.map(describeServer).join('; ')
      this.#noticed(Object.freeze([...seen]), `its name leads to several servers: ${names}`)
    }
    return server
  }
}

/** Which servers these connections lead to, each once. */
export function serversInUse(
  servers: Iterable<ServerIdentity | undefined>,
): readonly ServerInUse[] {
  const found: { server: ServerIdentity; connections: number }[] = []
  for (const server of servers) {
    if (server === undefined) continue
    const known = found.find((one) => one.server === server || isSameServer(one.server, server))
    if (known === undefined) found.push({ server, connections: 1 })
    else known.connections++
  }
  return Object.freeze(found.map((one) => Object.freeze(one)))
}

function isEqual(one: ServerIdentity, other: ServerIdentity): boolean {
  return (
    one.startedAt === other.startedAt &&
    one.systemId === other.systemId &&
    one.timeline === other.timeline &&
    one.address === other.address &&
    one.port === other.port &&
    one.inRecovery === other.inRecovery
  )
}
