import { EventEmitter } from 'node:events'
import type { ErrorDetail } from '@poolhouse/core'
import type { Notice } from '@poolhouse/core/kit'
import {
  dropDetail,
  ProtocolError,
  type ServerError,
  type SocketConnection,
  toDatabaseError,
} from '@poolhouse/core/net'
import type { PgWire } from './pg-module.js'

/** Receives the messages of the server, in addition to `pg`. */
export interface WireEvents
  extends Pick<
    SocketConnection,
    'resetting' | 'resetAnswered' | 'resetRefused' | 'parameter' | 'notice' | 'notification'
  > {
  /** Whether errors keep their detail, hint and context. */
  readonly errorDetail: ErrorDetail | undefined
  parseComplete(): void
  rowDescription(): void
  commandComplete(tag: string): void
  bindComplete(): void
  /** CopyOutResponse, the one answer to a statement that `pg` does not hand on. */
  copyOutResponse(): void
  /** ErrorResponse, before `pg` handles it. */
  errorResponse(error: Error): void
  /** ReadyForQuery; `status` is its status byte as text. */
  readyForQuery(status: string): void
}

const EVENTS: unique symbol = Symbol('poolhouse.events')
const HEARS_READY: unique symbol = Symbol('poolhouse.hearsReady')

interface HeardWire extends PgWire {
  [EVENTS]: WireEvents
  [HEARS_READY]: boolean
}

/**
 * Reports all messages but ReadyForQuery to `events`, before `pg` handles them. Replaces `emit`
 * instead of adding listeners, which would cost half a kilobyte per session, and a copy of the list
 * for every row.
 */
export function hear(wire: PgWire, events: WireEvents): void {
  Object.assign(wire, { [EVENTS]: events, [HEARS_READY]: false, emit: emitHeard })
}

/** Reports ReadyForQuery too, from the next one on, after `pg` has handled it. */
export function hearReady(wire: PgWire): void {
  ;(wire as HeardWire)[HEARS_READY] = true
}

/** Takes two arguments, because no event of a connection has more. */
function emitHeard(this: HeardWire, event: string | symbol, first?: unknown, second?: unknown) {
  if (event === 'errorMessage' && this[EVENTS].errorDetail === 'drop')
    dropDetail(first as ServerError)
  if (this[EVENTS].resetting && answersReset(this[EVENTS], event, first)) return true
  if (event === 'readyForQuery') {
    const hears = this[HEARS_READY]
    const heard = emit.call(this, event, first)
    if (hears) this[EVENTS].readyForQuery((first as { status: string }).status)
    return heard
  }
  if (typeof event === 'string' && tell(this[EVENTS], event, first)) return true
  return emit.call(this, event, first, second)
}

/**
 * Handles a message that answers a reset, and hides it from `pg`, which knows nothing of the reset.
 * Returns false for other messages.
 */
function answersReset(events: WireEvents, event: string | symbol, message: unknown): boolean {
  switch (event) {
    case 'commandComplete':
      events.resetAnswered()
      return true
    case 'errorMessage':
      events.resetRefused(toDatabaseError(message as ServerError, false))
      return true
    case 'parseComplete':
    case 'bindComplete':
    case 'closeComplete':
    case 'dataRow':
    // Comes only after a refusal, for the Sync of the statement.
    case 'readyForQuery':
      return true
    default:
      return false
  }
}

const { emit } = EventEmitter.prototype

/** Reports a message. Returns whether it must be hidden from `pg`. */
function tell(events: WireEvents, event: string, message: unknown): boolean {
  switch (event) {
    case 'bindComplete':
      events.bindComplete()
      break
    case 'commandComplete':
      events.commandComplete((message as { text: string }).text)
      break
    case 'parseComplete':
      events.parseComplete()
      break
    case 'rowDescription':
      events.rowDescription()
      break
    case 'copyOutResponse':
      events.copyOutResponse()
      break
    case 'errorMessage':
      events.errorResponse(message as Error)
      break
    // Not the log-in's, which its guard handles. `pg` would answer with a password.
    case 'authenticationCleartextPassword':
    case 'authenticationMD5Password':
    case 'authenticationSASL':
      events.errorResponse(new ProtocolError('the server asks for another log-in'))
      return true
    case 'parameterStatus': {
      const { parameterName, parameterValue } = message as Record<string, string>
      events.parameter(parameterName!, parameterValue!)
      break
    }
    case 'notice': {
      const notice = message as Partial<Notice>
      const { severity = 'NOTICE', code = '00000', message: text = '', routine } = notice
      events.notice({ severity, code, message: text, routine })
      break
    }
    case 'notification': {
      const { channel, payload } = message as Record<string, string>
      events.notification(channel!, payload!)
      break
    }
    default:
  }
  return false
}
