export { realTimers, timersAreReal, useRealTimers, withRealTimers } from '../real-timers.js'
export { isResetFailure, resetFailure } from '../reset-failure.js'
export { valuesOf } from '../statement.js'
export { StatementRules } from '../statement-rules.js'
export { acceptedAuth } from './accepted-auth.js'
export type { CancelKey } from './cancel-request.js'
export { commandOf, countOf } from './command-tag.js'
export { toConnectError } from './connect-error.js'
export { CopyAnswer, type CopyOpening, type RunningCopy } from './copy-answer.js'
export { dropDetail, frameWithoutDetail } from './drop-detail.js'
export { readErrorResponse, readFields, readNotice } from './error-response.js'
export {
  type ColumnDescription,
  type ReportedParameter,
  readNotification,
  readParameter,
  readRowDescription,
} from './frame-bodies.js'
export { FrameWalker } from './frame-walker.js'
export { ProtocolError } from './login-error.js'
export { guardLogin, type LoggedIn, type LoginGuard, type LoginView } from './login-guard.js'
export { isOlder, type VersionNumbers, versionBeside, versionOfModule } from './module-version.js'
export { NamedStatement, type NamedStatementState } from './named-statement.js'
export { overServerSocket } from './over-server-socket.js'
export { type PairCaller, PairOutcome } from './pair-outcome.js'
export { ReceivingCopy } from './receiving-copy.js'
export { noParsers, ResultShape } from './result-shape.js'
export { rethrowLater } from './rethrow-later.js'
export { type CursorEnds, type CursorStatement, RowCursor, type StartCursor } from './row-cursor.js'
export { type CopyInLine, SendingCopy } from './sending-copy.js'
export { tellTexts } from './sent-texts.js'
export {
  isServerError,
  type ServerError,
  toClosedError,
  toDatabaseError,
  toLostError,
  toUnansweredError,
} from './server-error.js'
export { ServerSocket } from './server-socket.js'
export { type ClientNames, SessionStatements } from './session-statements.js'
export { type ConnectionState, type Done, SocketConnection } from './socket-connection.js'
export { startupOptions } from './startup-options.js'
export { automaticName } from './statement-facts.js'
export { foreignNameError, isForeign, markIfStale } from './statement-names.js'
export { statusOf } from './status-of.js'
export type { SocketTarget, TcpTarget, UnixTarget } from './transport.js'
export { type QueuedWork, WorkQueue, type WorkRunner } from './work-queue.js'
