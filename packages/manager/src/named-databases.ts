import { AsyncResource } from 'node:async_hooks'
import {
  type Clock,
  ConfigError,
  type ConnectionOptions,
  type ConnectionPool,
  type Driver,
  type Pool,
} from '@poolhouse/core'
import type { CheckedCloseOptions } from '@poolhouse/core/kit'
import { describeName, nearestName } from '@poolhouse/core/kit'
import type { Budgets } from './budget/budgets.js'
import { Member, type MemberOptions } from './cluster/database-member.js'
import { DatabaseView } from './cluster/database-view.js'
import { Cluster } from './cluster/server-group.js'
import {
  type DatabaseSpec,
  discoveredServer,
  isReadyPool,
  readDatabase,
} from './config/database-spec.js'
import type { Databases } from './manager.js'
import type { DatabasePoolSettings } from './options/database-options.js'
import type { ServerSpec } from './options/server-spec.js'

/** What a named database and the tenants on it share. */
export interface NamedEntry {
  readonly spec: DatabaseSpec
  readonly member: Member
  /** Those of tenants on it, which follow when it is reloaded. */
  readonly tenants: Map<Member, MemberChanges>
  /** Made with the first call. */
  cluster(): Cluster
  /** The cluster, if it has been used. */
  used(): Cluster | undefined
  view: DatabaseView
}

/** What all databases of a manager share. */
export interface DatabasesHost {
  readonly drivers: ReadonlyMap<string, Driver>
  readonly budgets: Budgets
  readonly clock: Clock
  readonly random: () => number
  /** A pool was made, of a tenant or of the database of this name. */
  made(pool: ConnectionPool, name: string | undefined): void
  /** A pool has moved to another server. */
  moved(pool: ConnectionPool): void
  /** A pool is closed or about to be. */
  gone(pool: ConnectionPool): void
}

/**
 * What differs between the pools of a tenant and those of the named database whose servers it uses.
 */
export interface MemberChanges {
  readonly name: string
  /** Made of how the named database connects. */
  readonly connection: (template: ConnectionOptions) => Partial<ConnectionOptions>
  readonly pool: DatabasePoolSettings
  readonly weight: number
}

/**
 * The named databases: each with its place in a cluster, which databases on the same servers share.
 * Owns clusters and ready pools.
 */
export class NamedDatabases {
  readonly #host: DatabasesHost
  // Whoever calls first must not lend pools and watches a request's async context.
  readonly #context = new AsyncResource('PoolhouseManager', { requireManualDestroy: true })
  // Maps, so that every name is legal.
  readonly #entries = new Map<string, NamedEntry>()
  readonly #ready = new Map<string, Pool>()
  readonly #clusters = new Map<string, Cluster>()
  #isRefusing = false
  // Begun to close before anything waits for their end.
  #views: Promise<PromiseSettledResult<void>[]> | undefined
  #closing: Promise<void> | undefined

  /** Opens nothing. Throws `ConfigError`. */
  constructor(databases: Databases, host: DatabasesHost) {
    this.#host = host
    for (const [name, config] of Object.entries(databases)) {
      if (name === '') throw new ConfigError('databases: a name must not be empty')
      if (isReadyPool(config)) this.#ready.set(name, config)
      else this.#entries.set(name, this.#entry(readDatabase(name, config, host.drivers)))
    }
    if (this.#entries.size + this.#ready.size === 0)
      throw new ConfigError('databases: none is given')
  }

  /** Every name. */
  get names(): string[] {
    return [...this.#entries.keys(), ...this.#ready.keys()]
  }

  /** Every database that is in use or was made elsewhere. */
  get pools(): readonly (readonly [string, Pool])[] {
    const named = [...this.#entries].map(([name, { view }]) => [name, view as Pool] as const)
    return [...named, ...this.#ready]
  }

  /** The database of this name. Throws `RangeError`. */
  get(name: string): Pool {
    const ready = this.#ready.get(name)
    if (ready !== undefined) return ready
    const entry = this.#entries.get(name)
    if (entry === undefined) throw this.#unknown('database', name)
    if (entry.view.closed && !this.#isRefusing)
      entry.view = new DatabaseView(entry.member, () => entry.cluster())
    return entry.view
  }

  /**
   * The named database that a tenant lives on; without a name the only one. Throws `ConfigError`.
   */
  entry(where: string, name: string | undefined): NamedEntry {
    if (name === undefined) {
      const [only, ...others] = this.#entries.values()
      if (only !== undefined && others.length === 0) return only
      throw new ConfigError(
        `${where}: say with on: which of the named databases it is on (${this.names.join(', ')})`,
      )
    }
    const entry = this.#entries.get(name)
    if (entry !== undefined) return entry
    const why = this.#ready.has(name)
      ? `database "${name}" is a pool that was made elsewhere`
      : this.#unknown(where, name).message
    throw new ConfigError(`${where}: ${why}`)
  }

  /** A member of the same cluster that connects differently. */
  member(entry: NamedEntry, changes: MemberChanges): Member {
    const member = new Member(this.#memberOptions(entry.spec, changes))
    entry.tenants.set(member, changes)
    return member
  }

  /** A tenant is gone. */
  forget(member: Member): void {
    for (const { tenants } of this.#entries.values()) tenants.delete(member)
  }

  /** New sizes, hosts and credentials. Throws `ConfigError`, and then changes nothing. */
  reload(databases: Databases): void {
    const next = new Map<NamedEntry, DatabaseSpec>()
    for (const [name, config] of Object.entries(databases)) {
      if (isReadyPool(config)) continue
      const entry = this.#entries.get(name)
      if (entry === undefined)
        throw new ConfigError(
          `reload: ${this.#unknown('database', name).message}; new databases need a new manager`,
        )
      const spec = readDatabase(name, config, this.#host.drivers)
      refuseOtherShape(entry.spec, spec)
      next.set(entry, spec)
    }
    for (const [entry, spec] of next) {
      entry.member.reconfigure(this.#memberOptions(spec, undefined))
      for (const [member, changes] of entry.tenants)
        member.reconfigure(this.#memberOptions(spec, changes))
      ;(entry as { spec: DatabaseSpec }).spec = spec
      const cluster = entry.used()
      if (cluster === undefined || spec.kind !== 'followed') continue
      cluster.list(spec.name, spec.servers)
      this.#clusters.set(clusterKey(spec), cluster)
    }
  }

  /** Lets no more calls in. */
  refuse(): void {
    this.#isRefusing = true
    this.#views = Promise.allSettled([...this.#entries.values()].map(({ view }) => view.close()))
  }

  /**
   * Closes every cluster and every ready pool. Rejects with the first failure, after all have been
   * tried.
   */
  close(options: CheckedCloseOptions): Promise<void> {
    this.#closing ??= this.#close(options)
    return this.#closing
  }

  async #close(options: CheckedCloseOptions): Promise<void> {
    const { clock } = this.#host
    const deadline = clock.now() + options.timeoutMs
    if (!this.#isRefusing) this.refuse()
    const ends = await Promise.allSettled([
      ...[...this.#clusters.values()].map((cluster) => cluster.close(options)),
      ...[...this.#ready.values()].map((pool) => pool.close(options)),
    ])
    // What waits in a cluster needs the pools of its member.
    const left = { ...options, timeoutMs: Math.max(0, deadline - clock.now()) }
    const members = [...this.#entries.values()].map(({ member }) => member.close(left))
    ends.push(...(await this.#views!), ...(await Promise.allSettled(members)))
    for (const end of ends) if (end.status === 'rejected') throw end.reason
  }

  #entry(spec: DatabaseSpec): NamedEntry {
    const member = new Member(this.#memberOptions(spec, undefined))
    let cluster: Cluster | undefined
    const entry: NamedEntry = {
      spec,
      member,
      cluster: () => {
        cluster ??= this.#cluster(entry)
        return cluster
      },
      used: () => cluster,
      tenants: new Map(),
      view: new DatabaseView(member, () => entry.cluster()),
    }
    return entry
  }

  /** The cluster of the same servers, followed and read in the same way, or a new one. */
  #cluster({ spec, member }: NamedEntry): Cluster {
    const key = clusterKey(spec)
    const shared = this.#clusters.get(key)
    if (shared !== undefined) {
      shared.enter(member)
      shared.list(spec.name, spec.servers)
      return shared
    }
    const { budgets, clock, random } = this.#host
    const { name, kind, servers, discover, template, pool, failover, reads } = spec
    const cluster = this.#context.runInAsyncScope(
      () =>
        new Cluster(
          {
            name,
            kind,
            servers,
            discover,
            discovered: (node) => discoveredServer(template, node),
            database: template.database ?? name,
            pooler: pool.pooler,
            failover,
            reads,
            clock,
            random,
          },
          member,
          budgets,
        ),
    )
    this.#clusters.set(key, cluster)
    return cluster
  }

  #memberOptions(spec: DatabaseSpec, changes: MemberChanges | undefined): MemberOptions {
    const { budgets, clock, random } = this.#host
    const own = new Map(
      spec.servers.map((server) => [`${server.host}:${server.port}`, server.connection]),
    )
    return {
      name: changes?.name ?? spec.name,
      driver: spec.driver,
      // A server that was made for another database of the cluster is reached with this one's own
      // user and password.
      connection: ({ host, port }: ServerSpec) => ({
        applicationName: spec.name,
        // The only server may have got another address since its pools were made.
        ...(spec.kind === 'single'
          ? spec.template
          : (own.get(`${host}:${port}`) ?? { ...spec.template, host, port })),
        ...changes?.connection(spec.template),
      }),
      pool: { ...spec.pool, ...changes?.pool },
      budget:
        changes === undefined
          ? budgets.weighing(spec.weight, spec.name)
          : budgets.weighing(changes.weight),
      clock,
      random,
      apart: (make) => this.#context.runInAsyncScope(make),
      made: (pool) => this.#host.made(pool, changes === undefined ? spec.name : undefined),
      moved: (pool) => this.#host.moved(pool),
      gone: (pool) => this.#host.gone(pool),
    }
  }

  #unknown(what: string, name: string): RangeError {
    const near = nearestName(name, this.names)
    return new RangeError(
      `${what}: there is no database ${describeName(name)}${near === undefined ? `; known: ${this.names.join(', ')}` : `; did you mean "${near}"?`}`,
    )
  }
}

/**
 * Clusters that can be told apart by nothing are one: each server is then watched once, however
 * many databases it has.
 */
function clusterKey({ name, kind, servers, discover, failover, reads }: DatabaseSpec): string {
  const shareable =
    kind !== 'single' &&
    discover === undefined &&
    typeof reads.strategy !== 'function' &&
    typeof reads.classify !== 'object'
  if (!shareable) return JSON.stringify([name])
  const addresses = servers.map(({ host, port }) => [host, port])
  // Nodes are a set; of a primary and its replicas the first is the primary.
  if (kind === 'followed')
    addresses.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
  return JSON.stringify([kind, addresses, failover, reads])
}

/** What cannot be changed while calls are under way. */
function refuseOtherShape(former: DatabaseSpec, next: DatabaseSpec): void {
  const shape = ({ kind, servers, failover, reads }: DatabaseSpec): string =>
    JSON.stringify([
      kind,
      kind === 'replicated' ? servers.map(({ host, port }) => [host, port]) : 1,
      failover,
      reads,
    ])
  if (shape(former) === shape(next) && former.driver === next.driver) return
  throw new ConfigError(
    `reload: databases.${next.name}: kind, driver, failover, reads and the replicas of a fixed primary need a new manager; sizes, times, credentials, nodes and the address of a single server can be reloaded`,
  )
}
