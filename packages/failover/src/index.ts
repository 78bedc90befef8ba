export type {
  DiscoveredNode,
  DiscoveredNodes,
  Discovery,
  DiscoveryAnswer,
  DiscoveryContext,
} from './discover/discovery.js'
export { type DnsNode, type DnsOptions, type DnsResolver, dns } from './discover/dns.js'
export type { HttpTls } from './discover/get-json.js'
export { type HostNode, hosts } from './discover/hosts.js'
export { type PatroniOptions, patroni } from './discover/patroni.js'
export { type PgAutoFailoverOptions, pgAutoFailover } from './discover/pg-auto-failover.js'
export type {
  FailoverOptions,
  HoldOptions,
  ProbeOptions,
  WatchdogOptions,
} from './options/failover-options.js'
export type { FailoverPool } from './primary-pool.js'
export type { SwitchoverOptions } from './switchover.js'
export type { DrainOptions } from './watch/node-registry.js'
export { withFailover } from './with-failover.js'
