export type { BudgetOptions } from './budget/budget-options.js'
export type { BudgetStats } from './budget/server-budget.js'
export type { ConfigEntry } from './config/explain.js'
export { createManager } from './create-manager.js'
export type { DatabaseConfig, DatabaseOptions, DatabasePoolOptions } from './database-options.js'
export type { DatabasePool, NamedDatabase } from './database-pool.js'
export type { DatabaseHealth, ManagerHealth } from './health/health.js'
export type {
  DatabaseOf,
  Databases,
  Manager,
  ManagerOptions,
  ManagerStats,
  ReadyOptions,
  ShutdownOptions,
  StatsOptions,
} from './manager.js'
export type { TenantLimits, TenantOptions, TenantTarget } from './tenants/tenant-options.js'
