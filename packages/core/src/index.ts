export type { ConnectionBudget } from './api/connection-budget.js'
export type { ConnectionInfo, CopyResult, Driver, ErrorDetail, RawOf } from './api/driver.js'
export type {
  AcquireEvent,
  AdmittedEvent,
  ConnectEvent,
  ConnectionEvent,
  DeadlockEvent,
  DestroyEvent,
  DivergedEvent,
  DurabilityEvent,
  EjectedEvent,
  ErrorEvent,
  FencedEvent,
  ForeignEvent,
  HoldEvent,
  InDoubtEvent,
  LeakEvent,
  NodeEvent,
  OverloadEvent,
  PoolEvent,
  PoolEventEmitter,
  PoolEventName,
  PoolEvents,
  PoolerEvent,
  PoolListener,
  ReleaseEvent,
  ResumeEvent,
  ServersEvent,
  SplitBrainEvent,
  TokenEvent,
  TopologyEvent,
  UnidentifiedEvent,
} from './api/events.js'
export type { Lease } from './api/lease.js'
export type {
  AcquireOptions,
  CloseOptions,
  ConnectionPool,
  Pool,
  ReadyOptions,
} from './api/pool.js'
export type {
  PoolOptions,
  PrepareOptions,
  ReconfigureOptions,
  ResizeOptions,
} from './api/pool-options.js'
export type { Pooler, PoolerInEffect } from './api/pooler.js'
export type { Session, SessionOptions } from './api/session.js'
export type {
  Batchable,
  BatchOptions,
  FieldInfo,
  Intent,
  Queryable,
  QueryOptions,
  QueryResult,
  Statement,
} from './api/statement.js'
export type {
  LeakSnapshot,
  LeaseSnapshot,
  Percentiles,
  PoolCounters,
  PoolHistograms,
  PoolSnapshot,
  PoolStats,
  SlowStatement,
} from './api/stats.js'
export type {
  CopyOptions,
  CopySource,
  CopyToOptions,
  Streamable,
  StreamIterator,
  StreamOptions,
} from './api/streaming.js'
export type { Gap, ListenOptions, NotifyListener, Subscription } from './api/subscription.js'
export {
  type NodeLag,
  type NodeState,
  type StaticTopologyOptions,
  staticTopology,
  type Topology,
  type TopologyNode,
  type TopologySnapshot,
} from './api/topology.js'
export {
  type PoolTrace,
  type QueryTrace,
  type TraceChannel,
  type TraceOutcome,
  type TracePoint,
  type TraceSubscribers,
  tracing,
} from './api/tracing.js'
export type {
  IsolationLevel,
  Transaction,
  TransactionOptions,
  TransactionRetry,
} from './api/transaction.js'
export type { Clock, ClockTimer } from './base/clock.js'
export type { HistogramStats } from './base/histogram.js'
export { createPool } from './create-pool.js'
export type { MultiplexOptions } from './options/multiplex-options.js'
export type { OverloadOptions } from './options/overload-options.js'
export type { PoolWatchdogOptions } from './options/watchdog-options.js'
export { DatabaseError, type DatabaseErrorFields } from './outcome/database-error.js'
export {
  AbortError,
  AcquireTimeoutError,
  AuthenticationError,
  ConfigError,
  ConnectError,
  ConnectionLostError,
  FencedError,
  InDoubtError,
  LeaseBusyError,
  LeaseReleasedError,
  NoPrimaryError,
  NoSuitableNodeError,
  PoolClosedError,
  PoolDeadlockError,
  type PoolGauges,
  PoolOverloadedError,
  ReadIntentError,
  SessionStateError,
  StatementTimeoutError,
  TokenBeyondHistoryError,
  TransactionError,
  UnknownTenantError,
  WrongTenantError,
} from './outcome/errors.js'
export {
  isPoolhouseError,
  type PoolhouseErrorCode,
  type PoolhouseErrors,
} from './outcome/is-poolhouse-error.js'
export type { Durability, Executed } from './outcome/outcome.js'
export {
  PoolhouseError,
  type PoolhouseErrorOptions,
} from './outcome/poolhouse-error.js'
export type {
  ResolveOptions,
  TransactionIdentity,
  TransactionOutcome,
} from './outcome/transaction-outcome.js'
export type { ServerIdentity } from './server/server-identity.js'
export type { ServerInUse } from './server/server-sightings.js'
export type { AuthMethod } from './settings/auth-method.js'
export {
  type ConnectionOptions,
  type PasswordSource,
  readConnectionUrl,
} from './settings/connection-settings.js'
export type { Endpoint } from './settings/endpoint.js'
export type { ChannelBinding, TargetSessionAttrs } from './settings/read-parameters.js'
export type {
  SslMode,
  SslNegotiation,
  SslOptions,
  SslSettings,
  TlsVersion,
} from './settings/ssl-settings.js'
export {
  type CleanMarkersOptions,
  cleanMarkers,
  createMarkerTable,
  markerTable,
} from './transaction/idempotency.js'
export type { TypeParser } from './types/type-parser.js'
export type { TypeParsers, TypesOption } from './types/type-parsers.js'
