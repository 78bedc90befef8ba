export { valuesOf } from '../api/statement.js'
export { StatementRules } from '../api/statement-rules.js'
export { realTimers, timersAreReal, useRealTimers, withRealTimers } from '../base/real-timers.js'
export { passedOverError } from '../outcome/passed-over.js'
export { resetFailure } from '../outcome/reset-failure.js'
export { admission } from './frames/admission.js'
export { readFields } from './frames/error-response.js'
export type { CancelKey, ColumnDescription } from './frames/frame-bodies.js'
export {
  isOlder,
  type VersionNumbers,
  versionBeside,
  versionOfExport,
  versionOfModule,
} from './frames/module-version.js'
export {
  isServerError,
  type ServerError,
  toClosedError,
  toDatabaseError,
} from './frames/server-error.js'
export { startupOptions } from './frames/startup-options.js'
export { connectSession } from './session/connect-session.js'
export type { Library, LibraryClient, LibraryLine } from './session/library.js'
export { ConnectDeadlineError } from './socket/connect-deadline.js'
export { type ServerCertificate, serverCertificate } from './socket/server-certificate.js'
export type { ServerSocket } from './socket/server-socket.js'
export type { SocketTarget, TcpTarget, UnixTarget } from './socket/transport.js'
export type { ClientNames } from './statements/session-statements.js'
export { DeclaredTypes, type Description } from './work/declared-types.js'
