import { authentication } from './authentication.js'
import { cancellation } from './cancellation.js'
import { chaos } from './chaos.js'
import { closing } from './closing.js'
import { copyEndings } from './copy-endings.js'
import { copying } from './copying.js'
import { cursors } from './cursors.js'
import type { DriverArea } from './driver-context.js'
import { errors } from './errors.js'
import { listening } from './listen.js'
import { logIn } from './log-in.js'
import { loss } from './loss.js'
import { prepared } from './prepared.js'
import { reset } from './reset.js'
import { serverLimits } from './server-limits.js'
import { sessions } from './sessions.js'
import { statements } from './statements.js'
import { values } from './values.js'

/** Everything a driver must do, by area. */
export function driverCases(): readonly DriverArea[] {
  return [
    logIn,
    authentication,
    statements,
    values,
    sessions,
    errors,
    serverLimits,
    prepared,
    cursors,
    copying,
    copyEndings,
    cancellation,
    reset,
    listening,
    loss,
    chaos,
    closing,
  ]
}
