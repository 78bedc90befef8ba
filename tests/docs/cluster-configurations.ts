// The snippets of the guides to the kinds of clusters, as they stand there: cluster-guides.test.ts
// compares them, and the type checker reads them here.
import { createPool } from '@poolhouse/core'
import { dns, patroni, pgAutoFailover, withFailover } from '@poolhouse/failover'
import { createManager } from '@poolhouse/manager'
import { nodePostgres } from '@poolhouse/node-postgres'
import { withReplicas } from '@poolhouse/read-replicas'

const driver = nodePostgres()
const password = 'secret'
const ca = ''

export function plainStreaming() {
  const manager = createManager({
    drivers: { pg: nodePostgres() },
    databases: { app: { nodes: 'postgres://app:secret@a,b,c/shop' } },
  })
  const db = manager.database('app')
  return db
}

export function plainStreamingByHand() {
  const nodes = ['postgres://a/shop', 'postgres://b/shop', 'postgres://c/shop'].map((connection) =>
    createPool({ driver: nodePostgres(), connection }),
  )
  const primary = withFailover(nodes)
  const db = withReplicas(primary, primary.topology)
  return db
}

export function patroniCluster() {
  const primary = withFailover(
    {
      discover: patroni({ urls: ['http://a:8008', 'http://b:8008', 'http://c:8008'] }),
      pool: ({ host, port, name }) =>
        createPool({
          driver,
          connection: { host, port, user: 'app', password, database: 'shop' },
          name,
        }),
    },
    { hold: { timeoutMs: 40_000 } },
  )
  const db = withReplicas(primary, primary.topology)
  return db
}

export function pgAutoFailoverFormation() {
  const primary = withFailover(
    {
      discover: pgAutoFailover({
        monitor: 'postgres://autoctl_node:secret@monitor:5432/pg_auto_failover',
      }),
      pool: ({ host, port, name = host }) =>
        createPool({
          driver,
          connection: { host, port, user: 'app', password, database: 'shop' },
          name,
        }),
    },
    { hold: { timeoutMs: 75_000 } },
  )
  const db = withReplicas(primary, primary.topology)
  return db
}

export function repmgrCluster() {
  const manager = createManager({
    drivers: { pg: nodePostgres() },
    databases: {
      app: {
        nodes: 'postgres://app:secret@a,b,c/shop',
        failover: { hold: { timeoutMs: 120_000 } },
      },
    },
  })
  const db = manager.database('app')
  return db
}

export function cloudNativePg() {
  const primary = withFailover({
    discover: dns({ name: 'shop-all.db.svc.cluster.local' }),
    pool: ({ host, port }) =>
      createPool({
        driver,
        connection: {
          host,
          port,
          user: 'app',
          password,
          database: 'shop',
          // ca: readFileSync('/etc/shop/ca.crt')
          ssl: { mode: 'verify-full', ca, serverName: 'shop-rw' },
        },
      }),
  })
  const db = withReplicas(primary, primary.topology)
  return db
}

export function cloudNativePgServices() {
  const urlOf = (service: string) =>
    `postgres://app:secret@${service}/shop?sslrootcert=/etc/shop/ca.crt`
  const primary = createPool({ driver, connection: urlOf('shop-rw') })
  const readers = createPool({ driver, connection: urlOf('shop-ro') })
  const db = withReplicas(primary, [readers])
  return db
}

export function rds() {
  const urlOf = (instance: string) =>
    `postgres://app:secret@${instance}.abc.eu-central-1.rds.amazonaws.com/shop?sslrootcert=global-bundle.pem`
  const primary = withFailover([createPool({ driver, connection: urlOf('shop') })], {
    hold: { timeoutMs: 150_000 },
  })
  const replicas = ['shop-r1', 'shop-r2'].map((name) =>
    createPool({ driver, connection: urlOf(name) }),
  )
  const db = withReplicas(primary, replicas)
  return db
}

export function aurora() {
  const urlOf = (instance: string) =>
    `postgres://app:secret@${instance}.abc.eu-central-1.rds.amazonaws.com/shop?sslrootcert=global-bundle.pem`
  const instances = ['shop-1', 'shop-2'].map((name) =>
    createPool({ driver, connection: urlOf(name) }),
  )
  const primary = withFailover(instances, { fence: 'off', hold: { timeoutMs: 60_000 } })
  const db = withReplicas(primary, primary.topology, { maxStalenessMs: Number.POSITIVE_INFINITY })
  return db
}

export function haproxy() {
  const primary = withFailover([
    createPool({ driver, connection: 'postgres://app:secret@proxy:5000/shop' }),
  ])
  const readers = createPool({ driver, connection: 'postgres://app:secret@proxy:5001/shop' })
  const db = withReplicas(primary, [readers])
  return db
}

export function pgBouncerForEachNode() {
  const nodes = ['a', 'b', 'c'].map((host) =>
    createPool({
      driver,
      connection: { host, port: 6432, user: 'app', password, database: 'shop' },
      pooler: 'pgbouncer',
      name: host,
    }),
  )
  const primary = withFailover(nodes)
  const db = withReplicas(primary, primary.topology)
  return db
}
