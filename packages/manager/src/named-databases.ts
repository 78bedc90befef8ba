import { AsyncResource } from 'node:async_hooks'
import {
  type CloseOptions,
  ConfigError,
  ConnectError,
  type ConnectionOptions,
  type Driver,
  type Pool,
  type PoolStats,
} from '@poolhouse/core'
import type { CheckedCloseOptions } from '@poolhouse/core/kit'
import { describeName, messageOf, nearestName } from '@poolhouse/core/kit'
import { DatabaseMember, type MemberOptions } from './cluster/database-member.js'
import { DatabaseView } from './cluster/database-view.js'
import { type GroupParts, ServerGroup } from './cluster/server-group.js'
import { isReadyPool, readDatabase } from './config/read-database.js'
import { SMALLEST_CODE } from './config/smallest-config.js'
import { type DatabaseHealth, databaseHealth } from './health/health.js'
import type { Databases } from './manager.js'
import type { ManagerEvents } from './manager-events.js'
import type { DatabasePoolSettings } from './options/database-options.js'
import type { DatabaseSpec, ServerSpec } from './options/database-spec.js'
import type { OwnPools } from './tenants/tenant.js'

/** One named database with the tenants on it. */
export interface NamedEntry {
  /** Replaced by `reload`. */
  spec: DatabaseSpec
  readonly member: DatabaseMember
  /** The tenants on its servers, which follow when it is reloaded. */
  readonly tenants: Map<DatabaseMember, MemberChanges>
  /** Made with the first call. */
  group: ServerGroup | undefined
  /** What `manager.database(name)` returns; replaced after it was closed. */
  view: DatabaseView
}

/** What all databases of a manager share. */
export interface DatabasesParts extends GroupParts {
  /** The drivers by key. */
  readonly drivers: ReadonlyMap<string, Driver>
  /** Takes the events of every database and tenant. */
  readonly events: ManagerEvents
}

/** How the pools of a tenant differ from those of the named database whose servers it uses. */
export interface MemberChanges {
  readonly name: string
  /** Made of how the named database connects. */
  readonly connection: (template: ConnectionOptions) => Partial<ConnectionOptions>
  readonly pool: DatabasePoolSettings
  readonly weight: number
}

/**
 * The named databases. Databases on the same servers share a server group. Owns the groups and the
 * pools that were made elsewhere, and knows which database failed to connect.
 */
export class NamedDatabases {
  readonly #parts: DatabasesParts
  // Pools and monitors must not keep the async context of the request that comes first.
  readonly #context = new AsyncResource('PoolhouseManager', { requireManualDestroy: true })
  // Maps, so that every name is legal.
  readonly #entries = new Map<string, NamedEntry>()
  readonly #ready = new Map<string, Pool>()
  readonly #groups = new Map<string, ServerGroup>()
  // By database: the message of the last failed connect, until one succeeds.
  readonly #failures = new Map<string, string>()
  #isRefusing = false
  // The views, closed first so that nothing new enters while the groups are closed.
  #views: Promise<PromiseSettledResult<void>[]> | undefined
  #closing: Promise<void> | undefined

  /** Opens nothing. Throws `ConfigError`. */
  constructor(databases: Databases, parts: DatabasesParts) {
    this.#parts = parts
    for (const [name, config] of Object.entries(databases)) {
      if (name === '') throw new ConfigError('databases: a name must not be empty')
      if (isReadyPool(config)) {
        this.#ready.set(name, config)
        parts.events.connections.add(config)
        parts.events.servers.add(config)
      } else this.#entries.set(name, this.#entry(readDatabase(name, config, parts.drivers)))
    }
    if (this.#entries.size + this.#ready.size === 0)
      throw new ConfigError(`databases: none is given${SMALLEST_CODE}`)
  }

  /** Every name. */
  get names(): string[] {
    return [...this.#entries.keys(), ...this.#ready.keys()]
  }

  /** The pool of every database, by name. */
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
    if (entry.view.closed && !this.#isRefusing) entry.view = this.viewOf(entry)
    return entry.view
  }

  /** The named database that a tenant is on; without a name the only one. Throws `ConfigError`. */
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

  /** A view of a named database. */
  viewOf(entry: NamedEntry): DatabaseView {
    return new DatabaseView(entry.member, () => this.#groupOf(entry))
  }

  /** Makes the pools of a tenant on the servers of a named database. */
  addTenant(entry: NamedEntry, changes: MemberChanges): { pool: DatabaseView; own: OwnPools } {
    const group = this.#groupOf(entry)
    const member = new DatabaseMember(this.#memberOptions(entry.spec, changes))
    const { connections } = this.#parts.events
    entry.tenants.set(member, changes)
    group.enter(member)
    connections.add(member.events)
    const leave = async (options: CloseOptions | undefined): Promise<void> => {
      entry.tenants.delete(member)
      await group.exit(member, options).finally(() => connections.remove(member.events))
    }
    return { pool: new DatabaseView(member, () => group), own: { member, leave } }
  }

  /**
   * Resolves when every database answers and its pool is ready. Rejects with the first
   * `ConnectError`, after all were asked. `timeoutMs` is checked.
   */
  async ready(timeoutMs: number): Promise<void> {
    const { clock } = this.#parts
    const deadline = clock.now() + timeoutMs
    const checks = this.pools.map(async ([name, pool]) => {
      try {
        await pool.query('select 1', [], { timeoutMs })
        await pool.ready({ timeoutMs: Math.max(1, deadline - clock.now()) })
        this.#failures.delete(name)
      } catch (error) {
        const message = `database "${name}" does not answer: ${(error as Error).message}`
        this.#failures.set(name, message)
        throw new ConnectError(message, { endpoint: name, cause: error })
      }
    })
    rejectFirst(await Promise.allSettled(checks))
  }

  /** The health of each database as known now; asks no server. */
  health(): readonly (readonly [string, DatabaseHealth])[] {
    return this.pools.map(([name, pool]) => [
      name,
      databaseHealth(observed(pool), this.#failures.get(name)),
    ])
  }

  /** Takes new sizes, hosts and credentials. Throws `ConfigError`, and then changes nothing. */
  reload(databases: Databases): void {
    const next = new Map<NamedEntry, DatabaseSpec>()
    for (const [name, config] of Object.entries(databases)) {
      if (isReadyPool(config)) continue
      const entry = this.#entries.get(name)
      if (entry === undefined)
        throw new ConfigError(
          `reload: ${this.#unknown('database', name).message}; new databases need a new manager`,
        )
      const spec = readDatabase(name, config, this.#parts.drivers)
      refuseOtherShape(entry.spec, spec)
      next.set(entry, spec)
    }
    for (const [entry, spec] of next) {
      entry.member.reconfigure(this.#memberOptions(spec, undefined))
      for (const [member, changes] of entry.tenants)
        member.reconfigure(this.#memberOptions(spec, changes))
      entry.spec = spec
      if (entry.group === undefined || spec.kind !== 'followed') continue
      entry.group.list(spec.name, spec.servers)
      this.#groups.set(groupKey(spec), entry.group)
    }
  }

  /** Refuses new calls. */
  refuse(): void {
    this.#isRefusing = true
    this.#views = Promise.allSettled([...this.#entries.values()].map(({ view }) => view.close()))
  }

  /** Closes all groups and ready pools. Rejects with the first failure, after all were tried. */
  close(options: CheckedCloseOptions): Promise<void> {
    this.#closing ??= this.#close(options)
    return this.#closing
  }

  async #close(options: CheckedCloseOptions): Promise<void> {
    const { clock } = this.#parts
    const deadline = clock.now() + options.timeoutMs
    if (!this.#isRefusing) this.refuse()
    const ends = await Promise.allSettled([
      ...[...this.#groups.values()].map((group) => group.close(options)),
      ...[...this.#ready.values()].map((pool) => pool.close(options)),
    ])
    // Members last: calls that wait in a group need the pools of their member.
    const left = { ...options, timeoutMs: Math.max(0, deadline - clock.now()) }
    const members = Promise.allSettled(
      [...this.#entries.values()].map(({ member }) => member.close(left)),
    )
    rejectFirst([...ends, ...(await this.#views!), ...(await members)])
  }

  #entry(spec: DatabaseSpec): NamedEntry {
    const member = new DatabaseMember(this.#memberOptions(spec, undefined))
    const view = new DatabaseView(member, () => this.#groupOf(entry))
    const entry: NamedEntry = { spec, member, tenants: new Map(), group: undefined, view }
    this.#parts.events.connections.add(member.events)
    return entry
  }

  #groupOf(entry: NamedEntry): ServerGroup {
    entry.group ??= this.#findGroup(entry)
    return entry.group
  }

  /** The group of the same servers, followed and read in the same way, or a new one. */
  #findGroup({ spec, member }: NamedEntry): ServerGroup {
    const key = groupKey(spec)
    const shared = this.#groups.get(key)
    if (shared !== undefined) {
      shared.enter(member)
      shared.list(spec.name, spec.servers)
      return shared
    }
    const group = this.#context.runInAsyncScope(() => new ServerGroup(spec, member, this.#parts))
    this.#groups.set(key, group)
    // Not before its first call: to listen starts no watch.
    this.#parts.events.servers.add(group.routed)
    return group
  }

  #memberOptions(spec: DatabaseSpec, changes: MemberChanges | undefined): MemberOptions {
    const { budgets, clock, random } = this.#parts
    const own = new Map(
      spec.servers.map((server) => [`${server.host}:${server.port}`, server.connection]),
    )
    return {
      name: changes?.name ?? spec.name,
      tenant: changes?.name,
      driver: spec.driver,
      // Always with the user and password of this database, also on a server that another database
      // of the group has listed.
      connection: ({ host, port }: ServerSpec) => ({
        applicationName: spec.name,
        // The address of a single server may have changed since its pools were made.
        ...(spec.kind === 'single'
          ? spec.template
          : (own.get(`${host}:${port}`) ?? { ...spec.template, host, port })),
        ...changes?.connection(spec.template),
      }),
      pool: changes === undefined ? spec.pool : changedPool(spec.pool, changes.pool),
      budget:
        changes === undefined
          ? budgets.weighing(spec.weight, spec.name)
          : budgets.weighing(changes.weight, undefined, changes.name),
      budgets,
      made: changes === undefined ? (pool) => this.#watchFailures(spec.name, pool) : undefined,
      clock,
      random,
      apart: (make) => this.#context.runInAsyncScope(make),
    }
  }

  #watchFailures(name: string, pool: Pool): void {
    pool.on('connect', () => this.#failures.delete(name))
    pool.on('error', ({ error }) => {
      if (error instanceof ConnectError) this.#failures.set(name, messageOf(error))
    })
  }

  #unknown(what: string, name: string): RangeError {
    const near = nearestName(name, this.names)
    return new RangeError(
      `${what}: there is no database ${describeName(name)}${near === undefined ? `; known: ${this.names.join(', ')}` : `; did you mean "${near}"?`}`,
    )
  }
}

/** The pools of a tenant may be smaller, and then share no more connections than they may have. */
function changedPool(
  pool: DatabasePoolSettings,
  changes: DatabasePoolSettings,
): DatabasePoolSettings {
  const { multiplex } = pool
  const { max = Number.POSITIVE_INFINITY } = changes
  const isTooMany = typeof multiplex === 'object' && (multiplex.connections ?? 0) > max
  return {
    ...pool,
    ...changes,
    ...(isTooMany && { multiplex: { ...multiplex, connections: max } }),
  }
}

function rejectFirst(ends: readonly PromiseSettledResult<unknown>[]): void {
  for (const end of ends) if (end.status === 'rejected') throw end.reason
}

/** What health reads of a pool. Its topology only after its first call: looking starts no watch. */
function observed(pool: Pool): Parameters<typeof databaseHealth>[0] {
  const stats = (): PoolStats => pool.stats()
  if (!(pool instanceof DatabaseView)) return pool
  if (!pool.used) return { stats }
  const { topology, strays } = pool
  return { stats, topology, strays }
}

/**
 * Equal for databases that share a server group: same servers, followed and read in the same way.
 * Each server is then watched once, however many databases it has.
 */
function groupKey({ name, kind, servers, discover, failover, reads }: DatabaseSpec): string {
  const shareable =
    kind !== 'single' &&
    discover === undefined &&
    typeof reads.strategy !== 'function' &&
    typeof reads.classify !== 'object'
  if (!shareable) return JSON.stringify([name])
  const addresses = servers.map(({ host, port }) => [host, port])
  // The order of nodes means nothing; a fixed primary is always the first.
  if (kind === 'followed')
    addresses.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
  return JSON.stringify([kind, addresses, failover, reads])
}

/** Throws `ConfigError` for changes that need a new manager. */
function refuseOtherShape(former: DatabaseSpec, next: DatabaseSpec): void {
  const shape = ({ kind, servers, failover, reads, pool }: DatabaseSpec): string =>
    JSON.stringify([
      kind,
      kind === 'replicated' ? servers.map(({ host, port }) => [host, port]) : 1,
      failover,
      reads,
      // What `multiplex` may be depends on these.
      [pool.reset ?? 'auto', pool.pooler],
    ])
  if (shape(former) === shape(next) && former.driver === next.driver) return
  throw new ConfigError(
    `reload: databases.${next.name}: kind, driver, failover, reads, pool.reset, pool.pooler and the replicas of a fixed primary need a new manager; sizes, times, credentials, nodes and the address of a single server can be reloaded`,
  )
}
