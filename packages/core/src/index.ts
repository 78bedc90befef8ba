export { ChannelListener } from './channel-listener.js'
export type { ChannelSource } from './channel-source.js'
export { type Clock, type ClockTimer, sleep, systemClock } from './clock.js'
export type { BudgetedPool, BudgetSeat, ConnectionBudget } from './connection-budget.js'
export type {
  AcquireOptions,
  CloseOptions,
  ConnectionPool,
  Pool,
  ReadyOptions,
} from './connection-pool.js'
export {
  type ConnectionOptions,
  ConnectionSettings,
  connectionsOf,
  FROM_URL,
  type PasswordSource,
  readConnectionUrl,
  type UrlConnection,
} from './connection-settings.js'
export { connectionUrl, isConnectionText, parseConnectionUrl } from './connection-url.js'
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
} from './driver.js'
export type { Durability } from './durability.js'
export { type Endpoint, formatEndpoint, isLocal } from './endpoint.js'
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
} from './errors.js'
export { EventRelay } from './event-relay.js'
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
} from './events.js'
export type { PoolWatchdogOptions } from './half-open/watchdog-options.js'
export {
  type CleanMarkersOptions,
  cleanMarkers,
  createMarkerTable,
  KeyedWork,
  markerTable,
} from './idempotency.js'
export type { ServerIdentity } from './identity/server-identity.js'
export type { ServerInUse } from './identity/server-sightings.js'
export { LagRing } from './lag-ring.js'
export type { Lease } from './lease.js'
export { leasedCopyFrom, leasedCopyTo, leasedRows } from './leased-stream.js'
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
} from './option-check.js'
export { type Condition, hasCondition, isCondition } from './outcome/conditions.js'
export {
  endsSession,
  isConflict,
  isRepeatable,
  isUndone,
  newsOf,
  refusesWrites,
} from './outcome/error-meaning.js'
export type { NodeNews } from './outcome/sqlstate.js'
export type { OverloadOptions } from './overload.js'
export { ownError } from './own-error.js'
export { createPool } from './pool.js'
export type {
  PoolOptions,
  PrepareOptions,
  ReconfigureOptions,
  ResizeOptions,
} from './pool-options.js'
export type { Pooler, PoolerInEffect } from './pooler.js'
export { describeText, looksSecret } from './printable.js'
export type { RawHolder } from './raw-holder.js'
export { RESET_AROUND, type WithResetAround } from './reset-around.js'
export { SENT_BEHIND, type SentBehind, sentBehind, type WithCompanion } from './sent-behind.js'
export type { Session, SessionOptions } from './session.js'
export { parseLibpqEnvironment } from './settings/libpq-environment.js'
export type { UrlHost } from './settings/read-hosts.js'
export type {
  ChannelBinding,
  ParsedConnectionUrl,
  TargetSessionAttrs,
} from './settings/read-parameters.js'
export type { UrlPoolSettings } from './settings/read-pool-options.js'
export type { UrlSsl } from './settings/read-ssl.js'
export { refuseLoneStatement } from './sql/lone-statement.js'
export type {
  SslMode,
  SslNegotiation,
  SslOptions,
  SslSettings,
  TlsVersion,
} from './ssl-settings.js'
export {
  type FieldInfo,
  type Intent,
  type QueryArguments,
  type Queryable,
  type QueryOptions,
  type QueryResult,
  readQueryArguments,
  type Statement,
} from './statement.js'
export {
  type LeaseSnapshot,
  type Percentiles,
  type PoolCounters,
  type PoolSnapshot,
  type PoolStats,
  sumStats,
} from './stats.js'
export {
  checkCopyFromArguments,
  checkCopyToArguments,
  readStreamArguments,
} from './stream-arguments.js'
export { StreamEnds } from './stream-ends.js'
export type {
  CopyOptions,
  CopySource,
  CopyToOptions,
  Streamable,
  StreamIterator,
  StreamOptions,
} from './streaming.js'
export {
  checkListenArguments,
  type Gap,
  type ListenOptions,
  type NotifyListener,
  type Subscription,
} from './subscription.js'
export {
  type NodeLag,
  type NodeState,
  type StaticTopologyOptions,
  staticTopology,
  type Topology,
  type TopologyNode,
  type TopologySnapshot,
} from './topology.js'
export {
  type PoolTrace,
  type QueryTrace,
  type TraceChannel,
  type TraceOutcome,
  type TracePoint,
  type TraceSubscribers,
  tracing,
} from './tracing.js'
export {
  checkTransactionOptions,
  type IsolationLevel,
  type Transaction,
  type TransactionOptions,
  type TransactionRetry,
} from './transaction.js'
export type {
  OutcomeResolver,
  ResolveOptions,
  TransactionIdentity,
  TransactionOutcome,
} from './transaction-identity.js'
export type { TypeParser, TypeParsers, TypesOption } from './types/type-parsers.js'
export { unwatchSignal, watchSignal } from './watch-signal.js'
