export {
  type PostgresJsOptions,
  type PostgresLike,
  type PostgresNamespace,
  postgresJs,
} from './postgres-js.js'
