import { ConfigError, type Pool } from '@poolhouse/core'
import { describeValue, nearestName } from '@poolhouse/core/kit'
import { libraryOf } from '../pg-library.js'
import { type Role, RoleServers } from './role-servers.js'

/** A host that stands for the servers of a pool in a role. */
export interface RoleHost {
  /** The servers of the pool. */
  readonly servers: RoleServers
  /** Which of them. */
  readonly role: Role
}

const ROLE_HOST = /^(?:(?<cluster>.+)\.)?(?<role>primary|replica)$/

/** The pools that a bound `Client` knows, by the name that stands before the role. */
export class RoleHosts {
  readonly #clusters = new Map<string, RoleServers>()

  /**
   * Throws `TypeError` for anything but pools by name, and `ConfigError` for a pool over another
   * driver than `nodePostgres()`.
   */
  constructor(pools: Readonly<Record<string, Pool>>) {
    const entries = Object.entries(pools ?? {})
    if (entries.length === 0) {
      throw new TypeError('Client.bind: give at least one pool, such as Client.bind({ app: pool })')
    }
    for (const [name, pool] of entries) {
      if (typeof pool?.acquire !== 'function') {
        throw new TypeError(
          `Client.bind: ${name} must be a pool of Poolhouse, such as createPool() makes, got ${describeValue(pool)}`,
        )
      }
      libraryOf('Client.bind', pool)
      this.#clusters.set(name, new RoleServers(pool))
    }
  }

  /**
   * What a host stands for: `app.primary`, `app.replica`, and without a name if only one pool is
   * bound. Undefined for any other host. Throws `ConfigError` for the role of a pool that is not
   * bound.
   */
  find(host: string): RoleHost | undefined {
    const found = ROLE_HOST.exec(host)?.groups as { cluster?: string; role: Role } | undefined
    if (found === undefined) return undefined
    const names = [...this.#clusters.keys()]
    const name = found.cluster ?? (names.length === 1 ? names[0] : undefined)
    const servers = name === undefined ? undefined : this.#clusters.get(name)
    if (servers !== undefined) return { servers, role: found.role }
    const near = found.cluster && nearestName(found.cluster, names)
    const hint = near ? `did you mean "${near}.${found.role}"?` : `bound: ${names.join(', ')}`
    const message = `host "${host}" names no pool that Client.bind was given; ${hint}`
    throw new ConfigError(message)
  }
}
