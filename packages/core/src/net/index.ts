export { valuesOf, wireValuesOf } from '../api/statement.js'
export { StatementRules } from '../api/statement-rules.js'
export { realTimers, timersAreReal, useRealTimers, withRealTimers } from '../base/real-timers.js'
export { rethrowLater } from '../base/rethrow-later.js'
export { isPassedOver, passedOverError } from '../outcome/passed-over.js'
export { isResetFailure, resetFailure } from '../outcome/reset-failure.js'
export { admission } from './frames/admission.js'
export { commandOf, countOf } from './frames/command-tag.js'
export { dropDetail, frameWithoutDetail } from './frames/drop-detail.js'
export { readErrorResponse, readFields, readNotice } from './frames/error-response.js'
export type { CancelKey } from './frames/frame-bodies.js'
export {
  type ColumnDescription,
  type ReportedParameter,
  readNotification,
  readParameter,
  readRowDescription,
} from './frames/frame-bodies.js'
export { FrameWalker } from './frames/frame-walker.js'
export { ProtocolError } from './frames/login-error.js'
export {
  isOlder,
  type VersionNumbers,
  versionBeside,
  versionOfExport,
  versionOfModule,
} from './frames/module-version.js'
export { tellTexts } from './frames/sent-texts.js'
export {
  isServerError,
  type ServerError,
  toClosedError,
  toDatabaseError,
  toLostError,
  toUnansweredError,
} from './frames/server-error.js'
export { startupOptions } from './frames/startup-options.js'
export { statusOf } from './frames/status-of.js'
export { type LoggedIn, LoginGuard, type LoginView } from './login/login-guard.js'
export { connectSession } from './session/connect-session.js'
export type { Library, LibraryClient, LibraryLine } from './session/library.js'
export type { ServerSession } from './session/server-session.js'
export { ConnectDeadlineError } from './socket/connect-deadline.js'
export { toConnectError } from './socket/connect-error.js'
export { overServerSocket } from './socket/over-server-socket.js'
export { ServerSocket } from './socket/server-socket.js'
export type { SocketTarget, TcpTarget, UnixTarget } from './socket/transport.js'
export { NamedStatement, type NamedStatementState } from './statements/named-statement.js'
export type { ClientNames } from './statements/session-statements.js'
export { automaticName } from './statements/statement-facts.js'
export { foreignNameError, isForeign, markIfStale } from './statements/statement-names.js'
export { DeclaredTypes, type Description } from './work/declared-types.js'
