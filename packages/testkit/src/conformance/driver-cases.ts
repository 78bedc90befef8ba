import { authentication } from './driver/authentication.js'
import { cancellation } from './driver/cancellation.js'
import { chaos } from './driver/chaos.js'
import { closing } from './driver/closing.js'
import { copyEndings } from './driver/copy-endings.js'
import { copying } from './driver/copying.js'
import { cursors } from './driver/cursors.js'
import { errors } from './driver/errors.js'
import { listening } from './driver/listen.js'
import { logIn } from './driver/log-in.js'
import { loss } from './driver/loss.js'
import { prepared } from './driver/prepared.js'
import { reset } from './driver/reset.js'
import { serverLimits } from './driver/server-limits.js'
import { sessions } from './driver/sessions.js'
import { statements } from './driver/statements.js'
import { values } from './driver/values.js'
import type { DriverArea } from './driver-context.js'

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
