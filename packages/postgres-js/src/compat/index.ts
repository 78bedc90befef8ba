export {
  createRoutedSql,
  type RoutedReads,
  type RoutedSqlOptions,
} from './create-routed-sql.js'
export type { RoutedSql } from './routed-sql.js'
