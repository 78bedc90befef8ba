import { type ConnectionOptions, createPool, type Driver, type Pool } from '@poolhouse/core'
import { withFailover } from '@poolhouse/failover'
import {
  createManager,
  type DatabaseOptions,
  type DatabasePool,
  type DatabasePoolSettings,
  type Manager,
  type TenantTarget,
} from '@poolhouse/manager'
import { type ReplicaPool, withReplicas } from '@poolhouse/read-replicas'
import type { Cluster } from '@poolhouse/testkit'
import type { MakePool, PoolFeature, PoolParts, PoolReads } from '@poolhouse/testkit/conformance'

/** A kind of pool that the packages hand out. */
export interface PoolKind {
  /** What `describePool` calls it. */
  readonly kind: string
  /** What it does not offer. */
  readonly without: readonly PoolFeature[]
  /** Makes one over a driver, on a cluster of a primary and a replica. */
  make(driver: Driver, cluster: () => Cluster): MakePool
}

// A view is closed without what it is a view of.
const VIEW: readonly PoolFeature[] = ['close']
// Everything is a read and goes to the replica at the end of the line; its primary is reached
// beside it.
const READER: readonly PoolFeature[] = ['close', 'write', 'primary', 'classify']
// Each call is a transaction of its own on connections that all tenants share.
const ROWS: readonly PoolFeature[] = ['close', 'lease', 'stream', 'listen', 'lone', 'classify']

// A declared `retry` is cut short by the retry budget, which so few calls as a case makes would use
// up.
const FAILOVER = { retryBudget: Number.POSITIVE_INFINITY }
const ANY_AGE = { maxStalenessMs: Number.POSITIVE_INFINITY }

/** The way to another node of the cluster that `parts` lead to. */
function other(
  parts: PoolParts,
  { host, port }: { host: string; port: number },
): ConnectionOptions {
  return { ...(parts.connection as ConnectionOptions), host, port }
}

interface Setting {
  readonly driver: Driver
  readonly cluster: Cluster
  readonly parts: PoolParts
  readonly reads: PoolReads
}

/** A primary at the end of the line, and the replica beside it. */
function beside({ driver, cluster, parts, reads }: Setting): ReplicaPool {
  const connection = other(parts, cluster.replicas[0]!)
  const replica = createPool({ driver, connection, name: 'replica' })
  return withReplicas(createPool({ driver, ...parts }), [replica], { ...ANY_AGE, ...reads })
}

/** A replica at the end of the line, and its primary beside it. */
function before({ driver, cluster, parts, reads }: Setting): ReplicaPool {
  const primary = createPool({ driver, connection: other(parts, cluster.primary), name: 'primary' })
  return withReplicas(primary, [createPool({ driver, ...parts })], { ...ANY_AGE, ...reads })
}

/** One that follows the primary at the end of the line, with the replica among its nodes. */
function following({ driver, cluster, parts, reads }: Setting): ReplicaPool {
  const connection = other(parts, cluster.replicas[0]!)
  const nodes = [
    createPool({ driver, ...parts }),
    createPool({ driver, connection, name: 'replica' }),
  ]
  const primary = withFailover(nodes, FAILOVER)
  return withReplicas(primary, primary.topology, { ...ANY_AGE, ...reads })
}

type Servers = 'single' | 'replicated' | 'followed' | 'before'

function databaseOptions(
  { driver, cluster, parts, reads }: Setting,
  servers: Servers,
): DatabaseOptions {
  const { connection: given, ...pool } = parts
  const connection = given as ConnectionOptions
  const replica = other(parts, cluster.replicas[0]!)
  const common = {
    driver,
    pool: pool as DatabasePoolSettings,
    reads: { ...ANY_AGE, ...reads },
  }
  switch (servers) {
    case 'single':
      return { ...common, primary: connection }
    case 'replicated':
      return { ...common, primary: connection, replicas: [replica] }
    case 'followed':
      return { ...common, nodes: [connection, replica], failover: FAILOVER }
    case 'before':
      return { ...common, primary: other(parts, cluster.primary), replicas: [connection] }
  }
}

/** A manager of one database and one tenant on it. */
function managerOf(
  setting: Setting,
  servers: Servers,
  target: TenantTarget = {},
): Manager<{ app: DatabaseOptions }> {
  const { max, maxPending } = setting.parts
  return createManager({
    databases: { app: databaseOptions(setting, servers) },
    tenants: { resolve: () => ({ ...target, limits: { max, maxPending } }) },
  })
}

type AppManager = ReturnType<typeof managerOf>

function kind(
  name: string,
  without: readonly PoolFeature[],
  make: (setting: Setting) => ReturnType<MakePool>,
): PoolKind {
  return {
    kind: name,
    without,
    make: (driver, cluster) => (parts, reads) => make({ driver, cluster: cluster(), parts, reads }),
  }
}

// A session shows its user what it has seen, so that it must not have seen anything before its
// case: something else at the end of the line is called until that serves.
function isReader(without: readonly PoolFeature[]): boolean {
  return without.includes('primary')
}

/** A view of a pool with replicas. */
function viewKind(
  name: string,
  without: readonly PoolFeature[],
  whole: (setting: Setting) => ReplicaPool,
  view: (whole: ReplicaPool) => Pool,
): PoolKind {
  return kind(name, without, (setting) => {
    const made = whole(setting)
    return { pool: view(made), before: isReader(without) ? made.reader() : made, whole: made }
  })
}

/** A pool of a manager. */
function managedKind(
  name: string,
  without: readonly PoolFeature[],
  servers: Servers,
  pick: (manager: AppManager) => Pool,
  target?: (setting: Setting) => Promise<TenantTarget>,
): PoolKind {
  return kind(name, without, async (setting) => {
    const manager = managerOf(setting, servers, await target?.(setting))
    const before = isReader(without) ? manager.database('app').reader() : manager.database('app')
    return { pool: pick(manager), before: target ? pick(manager) : before, whole: manager }
  })
}

const database = async ({ parts }: Setting): Promise<TenantTarget> => ({
  database: (parts.connection as ConnectionOptions).database,
})

const schema = async ({ cluster, parts }: Setting): Promise<TenantTarget> => {
  const { user } = parts.connection as ConnectionOptions
  await cluster.primary.sql(`create schema if not exists tenant_one authorization ${user}`)
  return { schema: { name: 'tenant_one', also: ['public'] } }
}

const rows = async (): Promise<TenantTarget> => ({ settings: { 'app.tenant': 'one' } })

const tenant = (manager: AppManager): DatabasePool => manager.tenant('one')

/** Pools of core, failover and read-replicas. */
export const COMPOSED_POOLS: readonly PoolKind[] = [
  kind('of connections', ['replica', 'classify'], ({ driver, parts }) =>
    createPool({ driver, ...parts }),
  ),
  kind('that follows the primary', ['replica', 'classify'], ({ driver, cluster, parts }) =>
    withFailover(
      [
        createPool({ driver, ...parts }),
        createPool({ driver, connection: other(parts, cluster.replicas[0]!), name: 'replica' }),
      ],
      FAILOVER,
    ),
  ),
  kind('with replicas', [], beside),
  kind('with replicas behind one that follows the primary', [], following),
]

/** Views of a pool with replicas. */
export const VIEWS: readonly PoolKind[] = [
  viewKind('reader', READER, before, (whole) => whole.reader()),
  viewKind('session', VIEW, beside, (whole) => whole.session()),
  viewKind('reader of a session', READER, before, (whole) => whole.session().reader()),
]

/** Databases of a manager whose servers have fixed roles. */
export const MANAGED_DATABASES: readonly PoolKind[] = [
  managedKind('database on one server', [...VIEW, 'replica', 'classify'], 'single', (manager) =>
    manager.database('app'),
  ),
  managedKind('database with replicas', VIEW, 'replicated', (manager) => manager.database('app')),
]

/** Databases of a manager whose primary is followed. */
export const MANAGED_FOLLOWERS: readonly PoolKind[] = [
  managedKind('database whose primary is followed', VIEW, 'followed', (manager) =>
    manager.database('app'),
  ),
]

/** Views of a manager's databases. */
export const MANAGED_VIEWS: readonly PoolKind[] = [
  managedKind('reader of a database', READER, 'before', (manager) =>
    manager.database('app').reader(),
  ),
  managedKind('session of a database', VIEW, 'replicated', (manager) =>
    manager.database('app').session(),
  ),
  managedKind('reader of a session of a database', READER, 'before', (manager) =>
    manager.database('app').session().reader(),
  ),
]

/** Tenants with a database of their own, and their readers. */
export const TENANT_DATABASES: readonly PoolKind[] = [
  managedKind('tenant with a database of its own', VIEW, 'replicated', tenant, database),
  managedKind(
    'reader of a tenant with a database of its own',
    READER,
    'before',
    (manager) => tenant(manager).reader(),
    database,
  ),
]

/** Tenants with a schema of their own, and their readers. */
export const TENANT_SCHEMAS: readonly PoolKind[] = [
  managedKind('tenant with a schema of its own', VIEW, 'replicated', tenant, schema),
  managedKind(
    'reader of a tenant with a schema of its own',
    READER,
    'before',
    (manager) => tenant(manager).reader(),
    schema,
  ),
]

/** Tenants who share tables, and their readers. */
export const TENANT_ROWS: readonly PoolKind[] = [
  managedKind('tenant by rows', ROWS, 'replicated', tenant, rows),
  managedKind(
    'reader of a tenant by rows',
    [...READER, ...ROWS],
    'before',
    (manager) => tenant(manager).reader(),
    rows,
  ),
]

/** Every pool that the packages hand out. */
export const EVERY_POOL: readonly PoolKind[] = [
  ...COMPOSED_POOLS,
  ...VIEWS,
  ...MANAGED_DATABASES,
  ...MANAGED_FOLLOWERS,
  ...MANAGED_VIEWS,
  ...TENANT_DATABASES,
  ...TENANT_SCHEMAS,
  ...TENANT_ROWS,
]
