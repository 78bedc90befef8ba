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

/** Hears the messages of the server, beside `pg`. */
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
 * Tells `events` of all messages but ReadyForQuery, before `pg` hears of them. In the place of
 * listeners, of which each session would keep a list for each message: half a kilobyte, and a copy
 * of the list for every row.
 */
export function hear(wire: PgWire, events: WireEvents): void {
  Object.assign(wire, { [EVENTS]: events, [HEARS_READY]: false, emit: emitHeard })
}

/**
 * Tells of ReadyForQuery too, from the next one on, and after `pg` has heard of it and is ready for
 * the next statement.
 */
export function hearReady(wire: PgWire): void {
  ;(wire as HeardWire)[HEARS_READY] = true
}

/**
 * What is emitted has at most two arguments: a message of the server or an error, or an event's
 * name and its new listener.
 */
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
 * Takes what answers a reset, which are the messages that `pg` would take for those of its own
 * query.
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
    // Only after a refusal: the Sync is that of the statement.
    case 'readyForQuery':
      return true
    default:
      return false
  }
}

const { emit } = EventEmitter.prototype

/** Returns whether `pg` must not hear of it. */
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
    // Its guard has kept those of the log-in to itself, and `pg` would answer these.
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
