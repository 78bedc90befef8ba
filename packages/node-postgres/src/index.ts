export { type NodePostgresOptions, nodePostgres } from './node-postgres.js'
