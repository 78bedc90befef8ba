// For those who build pools, not for those who use them.

export { checkQueryOptions, checkReadyOptions } from './api/call-options.js'
export { awaitIdle } from './base/await-idle.js'
export { type EndTurn, Turns, type TurnTaker } from './base/turns.js'
export type {
  CallChanges,
  CallOf,
  PoolCall,
  QueryTarget,
  StreamTarget,
} from './decorate/pool-call.js'
export { PoolDecorator } from './decorate/pool-decorator.js'
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
export {
  type AcceptsServer,
  leadsElsewhere,
  onlyTo,
} from './identity/only-to.js'
export { OwnQuestion } from './identity/own-settings.js'
export {
  describeServer,
  isRestarted,
  isSameServer,
  type ServerLife,
} from './identity/server-identity.js'
export {
  lsnText,
  readBoolean,
  readInteger,
  readLsn,
  readText,
  readTimeline,
  SERVER_COLUMNS,
  type ServerColumns,
} from './identity/server-words.js'
export {
  FIRST_TIMELINE,
  MAY_READ_PAST,
  pastStatement,
  TIMELINE_BEGIN,
  TimelinePast,
} from './identity/timeline-past.js'
export {
  isAnswer,
  isRaisedByFunction,
  lacksRelationFile,
  refusesAsStandby,
  refusesSerializable,
} from './outcome/error-meaning.js'
