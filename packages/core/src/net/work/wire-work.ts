import type { TransactionStatus } from '../../api/driver.js'
import type { DatabaseError } from '../../outcome/database-error.js'
import type { TypeParsers } from '../../types/type-parsers.js'
import { readErrorResponse } from '../frames/error-response.js'
import { type ServerError, toDatabaseError, toUnansweredError } from '../frames/server-error.js'
import type { SessionStatements } from '../statements/session-statements.js'
import type { AnswerMarks } from './answer-marks.js'
import type { QueuedWork } from './work-queue.js'

/** The session, as its work uses it. */
export interface WireHost {
  /** The prepared statements of the session. */
  readonly prepared: SessionStatements
  /** Turns the texts of the server into values. */
  readonly types: TypeParsers
  /** Whether its server answers the marks of shared statements. */
  readonly marks: AnswerMarks
  /** As the last ReadyForQuery said. */
  readonly status: TransactionStatus
  /** The library's own error of the body of an ErrorResponse. */
  errorOf(body: Buffer): Error
  /** Sends messages. Returns false when the socket is full. */
  send(messages: Buffer): boolean
  /** Pauses or resumes reading from the socket. */
  pause(paused: boolean): void
  /** The session is of no use any more, for this reason if there was none before. */
  failed(reason: Error): void
}

const NONE: Buffer = Buffer.alloc(0)

/**
 * What a session does, one at a time: a statement, a cursor, a COPY. The session settles it at
 * ReadyForQuery, or when it ends first.
 */
export abstract class WireWork implements QueuedWork {
  /** Whether the server may have received it. */
  sent = false
  /** Whether BindComplete has come: from then on the server may have executed part of it. */
  bound = false
  /** Whether it goes out a second time. */
  isRepeated = false
  /** Whether it goes before what the client has not sent yet. */
  isAhead = false
  /**
   * Whether the answer holds what ends one: then ReadyForQuery is due, and before that it would be
   * that of something else.
   */
  isAnswered = false
  /** Work that is sent in one piece with it, and queued right behind it. */
  behind: readonly WireWork[] | undefined
  protected readonly host: WireHost
  /** The ErrorResponse of the server, if any. */
  protected refusal: ServerError | undefined
  #body: Buffer = NONE
  /** Whether ReadyForQuery has come. */
  #survived = false

  /** Sends nothing yet. */
  constructor(host: WireHost) {
    this.host = host
  }

  /** The messages that begin it, anew for each repetition. Throws errors of the caller. */
  abstract messages(): Buffer
  /** Takes a message of the answer that is neither ErrorResponse nor ReadyForQuery. */
  abstract take(kind: number, buffer: Buffer, from: number, to: number): void
  /** Settles the caller with the answer. */
  protected abstract report(): void
  /** Settles the caller with the reason why nothing was sent, or why the session ended. */
  abstract refuse(error: Error): void

  /** It was not sent after all, and its messages are made anew. */
  takeBack(): void {}

  /** The socket has room for more data. */
  drained(): void {}

  wantsRepeat(_idle: boolean): boolean {
    return false
  }

  settle(): void {
    this.#survived = true
    this.report()
  }

  /** Takes an ErrorResponse of the answer. */
  takeError(buffer: Buffer, from: number, to: number): ServerError {
    // A copy, because a caller may keep the error and with it the whole chunk.
    this.#body = Buffer.from(buffer.subarray(from + 5, to))
    this.refusal = readErrorResponse(this.#body)
    this.isAnswered = true
    return this.refusal
  }

  lose(reason: unknown): void {
    const said = this.refusal && this.refusedWith(this.refusal)
    this.refuse(toUnansweredError(said, reason, this.sent))
  }

  /** Begins from the start, to be sent anew. */
  protected again(): void {
    this.sent = false
    this.bound = false
    this.isAnswered = false
    this.isRepeated = true
    // It was there before what the client has written since.
    this.isAhead = true
    this.refusal = undefined
  }

  /** The error for the caller; its cause is the library's own. */
  protected refusedWith(refusal: ServerError): DatabaseError {
    return toDatabaseError(refusal, this.#survived, this.host.errorOf(this.#body))
  }
}

/** Reads the tag of a CommandComplete. */
export function tagOf(buffer: Buffer, from: number, to: number): string {
  return buffer.toString('latin1', from + 5, to - 1)
}
