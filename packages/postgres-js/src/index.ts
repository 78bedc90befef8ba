export { type PostgresJsOptions, type PostgresLike, postgresJs } from './postgres-js.js'
