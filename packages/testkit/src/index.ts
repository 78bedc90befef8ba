export { type Cluster, startCluster } from './cluster/cluster.js'
export type { ClusterNode, PromoteOptions } from './cluster/cluster-node.js'
export type { ClusterAuth, ClusterOptions } from './cluster/cluster-options.js'
export type { StopMode } from './cluster/server-process.js'
