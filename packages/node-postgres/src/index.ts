export {
  type NodePostgresOptions,
  nodePostgres,
  type PgLike,
} from './node-postgres.js'
