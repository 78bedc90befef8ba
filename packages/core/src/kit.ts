// For those who build pools, drivers and decorators. Applications import the package itself.

export {
  BEGIN_FIRST,
  checkQueryOptions,
  checkReadyOptions,
  RESET_AROUND,
  type WithBeginFirst,
  type WithResetAround,
} from './api/call-options.js'
export type { BudgetedPool, BudgetSeat } from './api/connection-budget.js'
export type {
  ConnectContext,
  ConnectionListener,
  CursorBatch,
  DriverCapabilities,
  DriverConnection,
  DriverCopyIn,
  DriverCopyOut,
  DriverCursor,
  Notice,
  RawHolder,
  ResetLevel,
  SentStatement,
  TransactionStatus,
} from './api/driver.js'
export { type Driven, driverOf, leadsToWriter, settingsOf, writerOf } from './api/driver-of.js'
export { CONNECTION_EVENTS, EventHub, SERVER_EVENTS } from './api/events.js'
export {
  FOR_DRIVER,
  PIGGYBACK,
  type Piggyback,
  piggybackOf,
  type QueryArguments,
  readQueryArguments,
  type WithForDriver,
  type WithPiggyback,
} from './api/statement.js'
export type { AutoPrepare } from './api/statement-rules.js'
export { sumStats } from './api/stats.js'
export { StreamEnds } from './api/streaming.js'
export { checkListenArguments } from './api/subscription.js'
export { awaitIdle } from './base/await-idle.js'
export { MAX_MS, sleep, systemClock } from './base/clock.js'
export { LagRing } from './base/lag-ring.js'
export { messageOf } from './base/message-of.js'
export {
  checkBoolean,
  checkNumber,
  checkShownText,
  checkSignal,
  checkTimeout,
  checkWord,
  describeName,
  describeValue,
  type NumberRule,
  nearestName,
  refuseUnknownOptions,
} from './base/option-check.js'
export { ownError } from './base/own-error.js'
export { describeText, looksSecret, printable } from './base/printable.js'
export { type EndTurn, Turns, type TurnTaker } from './base/turns.js'
export { unwatchSignal, watchSignal } from './base/watch-signal.js'
export {
  type CallParty,
  callFor,
  enterCall,
  leaveCall,
  partyOfCall,
} from './decorate/call-party.js'
export { EventRelay } from './decorate/event-relay.js'
export { leasedCopyFrom, leasedCopyTo, leasedRows } from './decorate/leased-stream.js'
export type {
  CallChanges,
  CallOf,
  PoolCall,
  QueryTarget,
  StreamTarget,
  TransactionTarget,
} from './decorate/pool-call.js'
export { PoolDecorator } from './decorate/pool-decorator.js'
export { PoolView } from './decorate/pool-view.js'
export { readable, stateOfPool } from './decorate/readable.js'
export { RelayingPool } from './decorate/relaying-pool.js'
export { type CheckedCloseOptions, readCloseOptions } from './engine/pool-closing.js'
export {
  type ClusterHistory,
  type PresentHistory,
  type PrimarySample,
  presentAfter,
  type SameHistory,
  sameHistory,
} from './identity/cluster-history.js'
export {
  type Follower,
  type FollowerSample,
  followerAfter,
  followerBeside,
  type Standing,
  standingOf,
} from './identity/follower.js'
export { leadsElsewhere, onlyTo } from './identity/only-to.js'
export { OwnQuestion } from './identity/own-settings.js'
export {
  type FactsRow,
  factsStatement,
  followerSampleOf,
  primarySampleOf,
  readFacts,
  readLogEnd,
  type ServerFacts,
} from './identity/server-facts.js'
export {
  pastStatement,
  TIMELINE_BEGIN,
  TimelinePast,
} from './identity/timeline-past.js'
export { type LeasedSession, leasedSession, type OfSession } from './lease/leased-session.js'
export { ChannelListener } from './listen/channel-listener.js'
export type { ChannelSource } from './listen/channel-source.js'
export type {
  BudgetHolder,
  Observable,
  ObservedBudget,
  ObservedPool,
  ObservedStats,
} from './observe/observable.js'
export { observe, observedPool, observedTopologyOf, type Watched } from './observe/observe.js'
export { type Condition, hasCondition, isCondition } from './outcome/conditions.js'
export {
  endsSession,
  isAnswer,
  isConflict,
  isRaisedByFunction,
  isRepeatable,
  lacksRelationFile,
  newsOf,
  refusesAsStandby,
  refusesSerializable,
  refusesWrites,
} from './outcome/error-meaning.js'
export { failAgain, failCall, ownErrorHere, type SettleCall } from './outcome/fail-call.js'
export { brandLike } from './outcome/poolhouse-error.js'
export type { NodeNews } from './outcome/sqlstate.js'
export type { OutcomeResolver } from './outcome/transaction-outcome.js'
export {
  type AcceptsServer,
  isRestarted,
  isSameServer,
  type ServerLife,
} from './server/server-identity.js'
export {
  lsnText,
  readBoolean,
  readInteger,
  readLsn,
  readText,
  SERVER_COLUMNS,
  type ServerColumns,
} from './server/server-words.js'
export {
  ConnectionSettings,
  connectionsOf,
  type UrlConnection,
} from './settings/connection-settings.js'
export { connectionUrl, isConnectionText, parseConnectionUrl } from './settings/connection-url.js'
export { formatEndpoint } from './settings/endpoint.js'
export { parseLibpqEnvironment } from './settings/libpq-environment.js'
export type { UrlHost } from './settings/read-hosts.js'
export type { ParsedConnectionUrl } from './settings/read-parameters.js'
export type { UrlPoolSettings } from './settings/read-pool-parameters.js'
export type { UrlSsl } from './settings/read-ssl.js'
export { refuseLoneStatement } from './statement/lone-statement.js'
export { standsFor } from './statement/statement-list.js'
export { KeyedWork } from './transaction/idempotency.js'
export {
  type CallObserver,
  type CallWatcher,
  type ObservedResult,
  type WatchedPool,
  watchCalls,
} from './watch/call-watcher.js'
