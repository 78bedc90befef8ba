export { type CreatePgPoolOptions, createPgPool } from './create-pg-pool.js'
