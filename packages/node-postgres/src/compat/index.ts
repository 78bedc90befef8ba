export { type CreatePgPoolOptions, createPgPool } from './create-pg-pool.js'
export { Client } from './routed-client.js'
