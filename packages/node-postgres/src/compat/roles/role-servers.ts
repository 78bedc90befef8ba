import type { Pool, PoolEvents, TopologySnapshot } from '@poolhouse/core'

/** What a connection is for. */
export type Role = 'primary' | 'replica'

/** Where a client connects to. */
export interface RoleAddress {
  /** Host name, address, or folder of a Unix socket, as the pool of the node has it. */
  readonly host: string
  /** TCP port. */
  readonly port: number
}

/** A connection that must end when its server leaves its role. */
export interface RoleFollower {
  /** What it was opened for. */
  readonly role: Role
  /** Where it leads to. */
  readonly address: RoleAddress
  /** The server must not be used any more. */
  abandon(reason: string): void
  /** The server still answers correctly, but has another role. */
  leave(reason: string): void
}

/**
 * The servers of one pool by role, and the open connections to them that the pool does not own.
 * Listens to the pool only while there are any.
 */
export class RoleServers {
  readonly #pool: Pool
  readonly #followers = new Set<RoleFollower>()
  readonly #onTopology = ({ snapshot }: PoolEvents['topology']): void => this.#judge(snapshot)

  /** `pool` is over `nodePostgres()`. */
  constructor(pool: Pool) {
    this.#pool = pool
  }

  /**
   * Where a server with this role is now. Borrows a connection for a moment, so the pool's own
   * rules decide: it waits for a primary, and takes a replica that is fresh enough. Rejects as
   * `acquire` does.
   */
  async find(role: Role): Promise<RoleAddress> {
    const lease = await this.#pool.acquire({ intent: role === 'primary' ? 'write' : 'read' })
    try {
      const { host, port } = lease.raw as RoleAddress
      return { host, port }
    } finally {
      lease.release()
    }
  }

  /** Tells `follower` when its server leaves its role, until the returned function is called. */
  follow(follower: RoleFollower): () => void {
    if (this.#followers.size === 0) this.#pool.on('topology', this.#onTopology)
    this.#followers.add(follower)
    return () => {
      if (!this.#followers.delete(follower) || this.#followers.size > 0) return
      this.#pool.off('topology', this.#onTopology)
    }
  }

  #judge(snapshot: TopologySnapshot): void {
    for (const follower of [...this.#followers]) judge(follower, snapshot)
  }
}

function judge(follower: RoleFollower, { primary, nodes }: TopologySnapshot): void {
  const { role, address } = follower
  const at = nodes.find(({ endpoint: { host, port } }) => {
    return host === address.host && port === address.port
  })
  const where = `${address.host}:${address.port}`
  switch (at?.state) {
    case undefined:
      follower.leave(`${where} is no longer a node of the pool`)
      break
    case 'fenced':
    case 'foreign':
    case 'diverged':
    case 'unreachable':
      follower.abandon(`${where} is ${at.state}: ${at.reason}`)
      break
    case 'primary':
      if (role === 'replica') follower.leave(`${where} is the primary now`)
      break
    case 'replica':
      if (role === 'primary') follower.abandon(`${where} is a replica now`)
      break
    default:
      // Starting, draining, read-only or not known yet: what is under way may go on.
      if (role === 'primary' && primary !== undefined && primary !== at) {
        follower.abandon(`${primary.endpoint.host}:${primary.endpoint.port} is the primary now`)
      }
  }
}
