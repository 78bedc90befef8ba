import type { Notice } from '@poolhouse/core'
import type { ServerError } from '@poolhouse/core/net'
import type { PgWire } from './pg-module.js'

/** Who hears of the messages of the server, beside `pg`. */
export interface WireEvents {
  /** BindComplete. */
  bindComplete(): void
  /** CopyOutResponse, the one answer to a statement that `pg` does not hand on. */
  copyOutResponse(): void
  /** ErrorResponse, before `pg` handles it. */
  errorResponse(error: ServerError): void
  /** ReadyForQuery, with its status byte as text. */
  readyForQuery(status: string): void
  /** ParameterStatus. */
  parameter(name: string, value: string): void
  /** NoticeResponse. */
  notice(notice: Notice): void
  /** NotificationResponse. */
  notification(channel: string, payload: string): void
}

const EVENTS: unique symbol = Symbol('poolhouse.events')

interface HeardWire extends PgWire {
  [EVENTS]: WireEvents
}

// The same functions for every session, which find it through the wire: one of their own for each message would be half of what
// an idle session takes on top of its client.
const LISTENERS = {
  bindComplete(this: HeardWire): void {
    this[EVENTS].bindComplete()
  },
  copyOutResponse(this: HeardWire): void {
    this[EVENTS].copyOutResponse()
  },
  errorMessage(this: HeardWire, error: ServerError): void {
    this[EVENTS].errorResponse(error)
  },
  parameterStatus(
    this: HeardWire,
    { parameterName, parameterValue }: { parameterName: string; parameterValue: string },
  ): void {
    this[EVENTS].parameter(parameterName, parameterValue)
  },
  notice(this: HeardWire, notice: Partial<Notice>): void {
    const { severity = 'NOTICE', code = '00000', message = '', routine } = notice
    this[EVENTS].notice({ severity, code, message, routine })
  },
  notification(this: HeardWire, { channel, payload }: { channel: string; payload: string }): void {
    this[EVENTS].notification(channel, payload)
  },
}

/** Tells `events` of all messages but ReadyForQuery. To be called before the client connects, so that `pg` hears of them later. */
export function hear(wire: PgWire, events: WireEvents): void {
  Object.assign(wire, { [EVENTS]: events })
  for (const [name, listener] of Object.entries(LISTENERS)) wire.on(name, listener)
}

/** Tells of ReadyForQuery too. To be called when `pg` listens to it, so that `pg` is ready for the next statement by then. */
export function hearReady(wire: PgWire): void {
  wire.on('readyForQuery', onReady)
}

function onReady(this: HeardWire, message: { status: string }): void {
  this[EVENTS].readyForQuery(message.status)
}
