export type {
  FailoverOptions,
  HoldOptions,
  ProbeOptions,
  WatchdogOptions,
} from './failover-options.js'
export type { FailoverPool } from './failover-pool.js'
export { withFailover } from './with-failover.js'
