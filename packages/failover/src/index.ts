export type { DrainOptions } from './cluster.js'
export type {
  DiscoveredNode,
  DiscoveredNodes,
  Discovery,
  DiscoveryAnswer,
  DiscoveryContext,
} from './discovery.js'
export { type DnsNode, type DnsOptions, type DnsResolver, dns } from './dns.js'
export type {
  FailoverOptions,
  HoldOptions,
  ProbeOptions,
  WatchdogOptions,
} from './failover-options.js'
export type { FailoverPool } from './failover-pool.js'
export { type HostNode, hosts } from './hosts.js'
export type { HttpTls } from './http-get.js'
export { type PatroniOptions, patroni } from './patroni.js'
export type { SwitchoverOptions } from './switchover.js'
export { withFailover } from './with-failover.js'
