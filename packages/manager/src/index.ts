export type { BudgetStats } from './budget/server-budget.js'
export { defineConfig } from './config/define-config.js'
export type { Environment, EnvironmentOptions } from './config/environment-options.js'
export type { ConfigEntry } from './config/explain.js'
export {
  type FileConfig,
  type LoadConfigOptions,
  type LoadedConfig,
  loadConfig,
} from './config/load-config.js'
export { configJsonSchema } from './config/schema.js'
export { createManager } from './create-manager.js'
export type { DatabaseHealth, ManagerHealth } from './health/health.js'
export {
  createHealthHandlers,
  type FastifyLikeReply,
  type HealthAnswer,
  type HealthHandler,
  type HealthHandlerOptions,
  type HealthHandlers,
  type HealthSource,
  type HonoLikeContext,
  type NodeResponse,
} from './health/health-handlers.js'
export type {
  DatabaseOf,
  Databases,
  DatabasesOf,
  Drivers,
  Manager,
  ManagerOptions,
  ManagerStats,
  ReadyOptions,
  ShutdownOptions,
  StatsOptions,
  TenantOf,
} from './manager.js'
export type { BudgetOptions } from './options/budget-options.js'
export type {
  DatabaseConfig,
  DatabaseOptions,
  DatabasePoolSettings,
} from './options/database-options.js'
export type { DatabasePool, FollowedDatabase, NamedDatabase } from './options/database-pool.js'
export type {
  TenantLimits,
  TenantOptions,
  TenantSchema,
  TenantTarget,
} from './options/tenant-options.js'
export { type Shuttable, type SignalOptions, shutdownOnSignals } from './shutdown-on-signals.js'
export { type SingletonOptions, singleton } from './singleton.js'
