export type { Cluster } from './cluster/cluster.js'
export type { ClusterNode, PromoteOptions } from './cluster/cluster-node.js'
export type { CertificateTimes, ClusterAuth, ClusterOptions } from './cluster/cluster-options.js'
export type { StopMode } from './cluster/server-process.js'
export { shareServerFiles } from './cluster/shared-files.js'
export { startCluster } from './cluster/start-cluster.js'
export type { DropEnding, DropOptions } from './fault-proxy/drop-rule.js'
export {
  type DelayOptions,
  type DropAnswersOptions,
  type FaultProxy,
  type ProxiedStatement,
  type StatementListener,
  startFaultProxy,
} from './fault-proxy/fault-proxy.js'
export type { Direction } from './fault-proxy/line-conditions.js'
export type { ProxyTarget } from './fault-proxy/proxy-target.js'
export {
  type BrokenClient,
  type BrokenCookies,
  brokenClients,
  brokenCookies,
  brokenReaders,
} from './history/broken-clients.js'
export type { HistoryRequest } from './history/cookie-user.js'
export { History } from './history/history.js'
export type { Operation, OperationKind, OperationOutcome } from './history/operation.js'
export {
  type HistoryReport,
  type ReadPromise,
  type VerifyOptions,
  type Violation,
  type ViolationKind,
  verifyHistory,
} from './history/verify-history.js'
export {
  type HistoryClient,
  historyTable,
  startWorkload,
  type Workload,
  type WorkloadOptions,
} from './history/workload.js'
export {
  type DebianPackageOptions,
  type DebianProgram,
  debianPackage,
} from './programs/debian/debian-package.js'
export { type Haproxy, startHaproxy } from './programs/haproxy/haproxy.js'
export type { HaproxyHealth, HaproxyOptions } from './programs/haproxy/haproxy-options.js'
export type { ManagedCluster } from './programs/managed/managed-cluster.js'
export type { ManagedNode } from './programs/managed/managed-node.js'
export { type PatroniCluster, startPatroni } from './programs/patroni/patroni-cluster.js'
export type { PatroniNode } from './programs/patroni/patroni-node.js'
export type { PatroniOptions } from './programs/patroni/patroni-options.js'
export {
  type PgAutoFailoverCluster,
  startPgAutoFailover,
} from './programs/pg-auto-failover/auto-failover-cluster.js'
export type { PgAutoFailoverNode } from './programs/pg-auto-failover/auto-failover-node.js'
export type { PgAutoFailoverClusterOptions } from './programs/pg-auto-failover/auto-failover-options.js'
export { type PgBouncer, startPgBouncer } from './programs/pgbouncer/pgbouncer.js'
export type { PgBouncerOptions, PgBouncerPoolMode } from './programs/pgbouncer/pgbouncer-options.js'
export { type Pgpool, startPgpool } from './programs/pgpool/pgpool.js'
export type { StartPgpoolOptions } from './programs/pgpool/pgpool-options.js'
export {
  checkRules,
  type Prometheus,
  type PrometheusOptions,
  type PrometheusSample,
  startPrometheus,
  testRules,
} from './programs/prometheus/prometheus.js'
export { type RepmgrCluster, startRepmgr } from './programs/repmgr/repmgr-cluster.js'
export type { RepmgrNode } from './programs/repmgr/repmgr-node.js'
export type { RepmgrOptions } from './programs/repmgr/repmgr-options.js'
export type {
  OnCancel,
  OnConnect,
  OnStatement,
  Reaction,
  WireAuthentication,
  WireCancel,
  WireColumn,
  WireError,
  WireNotice,
  WireParameter,
  WireRow,
  WireScript,
  WireSession,
  WireValue,
} from './wire-server/script.js'
export type { WireRole, WireState } from './wire-server/server-state.js'
export { startWireServer, type WireServer, type WireStatement } from './wire-server/wire-server.js'
