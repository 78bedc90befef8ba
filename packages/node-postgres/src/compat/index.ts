export { type CreatePgPoolOptions, createPgPool } from './create-pg-pool.js'
export type { PgPoolOptions } from './plain/pg-pool-options.js'
export { Pool, type PoolClass } from './plain/pool.js'
export { Client } from './routed-client.js'
