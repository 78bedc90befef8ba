export type {
  DiscoveredNode,
  DiscoveredNodes,
  Discovery,
  DiscoveryAnswer,
  DiscoveryContext,
} from './discover/discovery.js'
export { type DnsNode, type DnsOptions, type DnsResolver, dns } from './discover/dns.js'
export { type HostNode, hosts } from './discover/hosts.js'
export type { HttpTls } from './discover/http-get.js'
export { type PatroniOptions, patroni } from './discover/patroni.js'
export type { FailoverPool } from './failover-pool.js'
export type {
  FailoverOptions,
  HoldOptions,
  ProbeOptions,
  WatchdogOptions,
} from './options/failover-options.js'
export type { SwitchoverOptions } from './switchover.js'
export type { DrainOptions } from './watch/cluster.js'
export { withFailover } from './with-failover.js'
