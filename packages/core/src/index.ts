export type { BudgetedPool, BudgetSeat, ConnectionBudget } from './api/connection-budget.js'
export type {
  AuthMethod,
  AutoPrepare,
  ConnectContext,
  ConnectionInfo,
  ConnectionListener,
  CopyResult,
  CursorBatch,
  Driver,
  DriverCapabilities,
  DriverConnection,
  DriverCopyIn,
  DriverCopyOut,
  DriverCursor,
  ErrorDetail,
  Notice,
  ResetLevel,
  TransactionStatus,
} from './api/driver.js'
export {
  type AcquireEvent,
  type AdmittedEvent,
  type ConnectEvent,
  type ConnectionEvent,
  type DeadlockEvent,
  type DestroyEvent,
  type DivergedEvent,
  type DurabilityEvent,
  type EjectedEvent,
  type ErrorEvent,
  EventHub,
  type FencedEvent,
  type ForeignEvent,
  type HoldEvent,
  type InDoubtEvent,
  type LeakEvent,
  type NodeEvent,
  type OverloadEvent,
  type PoolEvent,
  type PoolEventEmitter,
  type PoolEventName,
  type PoolEvents,
  type PoolerEvent,
  type PoolListener,
  type ReleaseEvent,
  type ResumeEvent,
  type ServersEvent,
  type SplitBrainEvent,
  type TokenEvent,
  type TopologyEvent,
  type UnidentifiedEvent,
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
export type { RawHolder } from './api/raw-holder.js'
export { RESET_AROUND, type WithResetAround } from './api/reset-around.js'
export { SENT_BEHIND, type SentBehind, sentBehind, type WithCompanion } from './api/sent-behind.js'
export type { Session, SessionOptions } from './api/session.js'
export {
  type FieldInfo,
  type Intent,
  type QueryArguments,
  type Queryable,
  type QueryOptions,
  type QueryResult,
  readQueryArguments,
  type Statement,
} from './api/statement.js'
export {
  type LeaseSnapshot,
  type Percentiles,
  type PoolCounters,
  type PoolSnapshot,
  type PoolStats,
  sumStats,
} from './api/stats.js'
export { StreamEnds } from './api/stream-ends.js'
export type {
  CopyOptions,
  CopySource,
  CopyToOptions,
  Streamable,
  StreamIterator,
  StreamOptions,
} from './api/streaming.js'
export {
  checkListenArguments,
  type Gap,
  type ListenOptions,
  type NotifyListener,
  type Subscription,
} from './api/subscription.js'
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
export {
  checkTransactionOptions,
  type IsolationLevel,
  type Transaction,
  type TransactionOptions,
  type TransactionRetry,
} from './api/transaction.js'
export type {
  OutcomeResolver,
  ResolveOptions,
  TransactionIdentity,
  TransactionOutcome,
} from './api/transaction-identity.js'
export type { PoolWatchdogOptions } from './api/watchdog-options.js'
export { type Clock, type ClockTimer, sleep, systemClock } from './base/clock.js'
export { LagRing } from './base/lag-ring.js'
export {
  checkBoolean,
  checkNumber,
  checkShownText,
  checkWord,
  describeName,
  describeValue,
  type NumberRule,
  nearestName,
  refuseUnknownOptions,
} from './base/option-check.js'
export { ownError } from './base/own-error.js'
export { describeText, looksSecret } from './base/printable.js'
export { unwatchSignal, watchSignal } from './base/watch-signal.js'
export { createPool } from './create-pool.js'
export { EventRelay } from './decorate/event-relay.js'
export { leasedCopyFrom, leasedCopyTo, leasedRows } from './decorate/leased-stream.js'
export type { OverloadOptions } from './engine/overload.js'
export type { ServerIdentity } from './identity/server-identity.js'
export type { ServerInUse } from './identity/server-sightings.js'
export { ChannelListener } from './listen/channel-listener.js'
export type { ChannelSource } from './listen/channel-source.js'
export { type Condition, hasCondition, isCondition } from './outcome/conditions.js'
export type { Durability } from './outcome/durability.js'
export {
  endsSession,
  isConflict,
  isRepeatable,
  isUndone,
  newsOf,
  refusesWrites,
} from './outcome/error-meaning.js'
export {
  AbortError,
  AcquireTimeoutError,
  AuthenticationError,
  ConfigError,
  ConnectError,
  ConnectionLostError,
  DatabaseError,
  type DatabaseErrorFields,
  type Executed,
  FencedError,
  InDoubtError,
  isPoolhouseError,
  LeaseBusyError,
  LeaseReleasedError,
  NoPrimaryError,
  NoSuitableNodeError,
  PoolClosedError,
  PoolDeadlockError,
  type PoolGauges,
  PoolhouseError,
  type PoolhouseErrorOptions,
  PoolOverloadedError,
  ReadIntentError,
  SessionStateError,
  StatementTimeoutError,
  TokenBeyondHistoryError,
  TransactionError,
  UnknownTenantError,
  WrongTenantError,
} from './outcome/errors.js'
export type { NodeNews } from './outcome/sqlstate.js'
export {
  type ConnectionOptions,
  ConnectionSettings,
  connectionsOf,
  FROM_URL,
  type PasswordSource,
  readConnectionUrl,
  type UrlConnection,
} from './settings/connection-settings.js'
export { connectionUrl, isConnectionText, parseConnectionUrl } from './settings/connection-url.js'
export { type Endpoint, formatEndpoint, isLocal } from './settings/endpoint.js'
export { parseLibpqEnvironment } from './settings/libpq-environment.js'
export type { UrlHost } from './settings/read-hosts.js'
export type {
  ChannelBinding,
  ParsedConnectionUrl,
  TargetSessionAttrs,
} from './settings/read-parameters.js'
export type { UrlPoolSettings } from './settings/read-pool-options.js'
export type { UrlSsl } from './settings/read-ssl.js'
export type {
  SslMode,
  SslNegotiation,
  SslOptions,
  SslSettings,
  TlsVersion,
} from './settings/ssl-settings.js'
export { refuseLoneStatement } from './statement/lone-statement.js'
export {
  checkCopyFromArguments,
  checkCopyToArguments,
  readStreamArguments,
} from './statement/stream-arguments.js'
export type { Pooler, PoolerInEffect } from './statement/through-pooler.js'
export {
  type CleanMarkersOptions,
  cleanMarkers,
  createMarkerTable,
  KeyedWork,
  markerTable,
} from './transaction/idempotency.js'
export type { TypeParser, TypeParsers, TypesOption } from './types/type-parsers.js'
