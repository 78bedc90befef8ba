import { createPool, isPoolhouseError } from '@poolhouse/core'
import { withFailover } from '@poolhouse/failover'
import { nodePostgres } from '@poolhouse/node-postgres'
import { Client, createPgPool, Pool } from '@poolhouse/node-postgres/compat'
import { postgresJs } from '@poolhouse/postgres-js'
import { createRoutedSql } from '@poolhouse/postgres-js/compat'
import { withReplicas } from '@poolhouse/read-replicas'
import { drizzle } from 'drizzle-orm/node-postgres'
import pg from 'pg'
import { DataSource, knex, PrismaClient, PrismaPg, Sequelize } from './library-shapes.js'

// What the pages docs/guides/migrate-from-*.md show. Those of libraries that are not in this
// workspace are compiled here; the rest is also run.

/** Addresses of the servers. */
export interface Urls {
  readonly primary: string
  readonly replicas: readonly string[]
}

/** One server, from `pg.Pool`. */
export function fromPgPool(url: string) {
  const pool = new Pool({ connectionString: url, max: 20 })
  return pool
}

/** Replicas, from `pg.Pool`. */
export function replicatedPgPool(urls: Urls) {
  const driver = nodePostgres()
  const primary = createPool({ driver, connection: urls.primary, max: 20 })
  const replicas = urls.replicas.map((connection) => createPool({ driver, connection, max: 20 }))
  const database = withReplicas(primary, replicas, { classify: 'conservative' })

  const pool = createPgPool(database)
  return { database, pool }
}

/** Errors that say what became of the work. */
export async function transfer(pool: pg.Pool): Promise<string> {
  try {
    await pool.query('update accounts set balance = balance - 1 where id = $1', [1])
    return 'done'
  } catch (error) {
    if (isPoolhouseError(error) && error.executed === 'unknown') return 'look before you repeat'
    throw error
  }
}

/** From postgres.js. */
export function fromPostgresJs(urls: Urls) {
  const driver = postgresJs()
  const primary = createPool({ driver, connection: urls.primary, max: 20 })
  const replicas = urls.replicas.map((connection) => createPool({ driver, connection, max: 20 }))
  const database = withReplicas(primary, replicas, { classify: 'conservative' })

  const sql = createRoutedSql(database)
  return sql
}

/** From Drizzle's `withReplicas`. */
export function fromDrizzle(urls: Urls) {
  const driver = nodePostgres()
  const primary = createPool({ driver, connection: urls.primary })
  const replicas = urls.replicas.map((connection) => createPool({ driver, connection }))
  const pool = createPgPool(withReplicas(primary, replicas, { classify: 'conservative' }))

  const db = drizzle(pool)
  return { db, pool }
}

/** From Prisma's read replicas. */
export function fromPrisma(urls: Urls) {
  const driver = nodePostgres()
  const primary = createPool({ driver, connection: urls.primary })
  const replicas = urls.replicas.map((connection) => createPool({ driver, connection }))
  const pool = createPgPool(withReplicas(primary, replicas, { classify: 'conservative' }))

  const prisma = new PrismaClient({ adapter: new PrismaPg(pool) })
  return prisma
}

/** From TypeORM's replication. */
export function fromTypeOrm(urls: Urls) {
  const driver = nodePostgres()
  const primary = createPool({ driver, connection: urls.primary })
  const replicas = urls.replicas.map((connection) => createPool({ driver, connection }))
  const database = withReplicas(primary, replicas, { classify: 'conservative' })

  const pool = createPgPool(database, { checkout: 'lazy' })
  const source = new DataSource({
    type: 'postgres',
    driver: {
      ...pg,
      native: undefined,
      Pool: function Pool() {
        return pool
      },
    },
  })
  return source
}

/** From Sequelize's replication. */
export function fromSequelize(urls: Urls) {
  const driver = nodePostgres()
  const primary = createPool({ driver, connection: urls.primary })
  const replicas = urls.replicas.map((connection) => createPool({ driver, connection }))
  const database = withReplicas(primary, replicas)

  const sequelize = new Sequelize('app', 'app', undefined, {
    dialect: 'postgres',
    dialectModule: { ...pg, native: undefined, Client: Client.bind({ app: database }) },
    replication: { write: { host: 'app.primary' }, read: [{ host: 'app.replica' }] },
  })
  return sequelize
}

/** From Knex with two instances. */
export function fromKnex(urls: Urls) {
  const driver = nodePostgres()
  const primary = createPool({ driver, connection: urls.primary })
  const replicas = urls.replicas.map((connection) => createPool({ driver, connection }))
  const database = withReplicas(primary, replicas, { classify: 'conservative' })

  const pool = createPgPool(database, { checkout: 'lazy', doubleRelease: 'warn' })
  const db = knex({ client: 'pg', connectionPool: pool })
  return db
}

/** From the AWS wrapper. */
export function fromAwsWrapper(urls: readonly string[]) {
  const driver = nodePostgres()
  const instances = urls.map((connection) => createPool({ driver, connection, max: 20 }))
  const primary = withFailover(instances, { fence: 'off' })
  const database = withReplicas(primary, primary.topology, {
    classify: 'conservative',
    maxStalenessMs: Number.POSITIVE_INFINITY,
  })
  const pool = createPgPool(database)
  return { pool, primary }
}
