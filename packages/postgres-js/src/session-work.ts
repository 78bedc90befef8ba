import { type DatabaseError, PoolhouseError } from '@poolhouse/core'
import { messageOf } from '@poolhouse/core/kit'
import {
  type QueuedWork,
  readErrorResponse,
  type ServerError,
  type SessionStatements,
  toDatabaseError,
  toUnansweredError,
} from '@poolhouse/core/net'
import type { TypeParsers } from '@poolhouse/core/types'
import type { PostgresErrorClass } from './postgres-module.js'
import type { Submission, SubmissionOwner } from './submission.js'
import { readPostgresFields } from './wire/messages.js'
import type { RowShape } from './wire/row-shape.js'

/** The session line, as its work uses it. */
export interface WorkHost {
  /**
   * The prepared statements of the session. They never enter the list of postgres.js, which only
   * grows.
   */
  readonly prepared: SessionStatements<RowShape>
  /** Turns the texts of the server into values. */
  readonly types: TypeParsers
  /** The class of postgres.js for errors of the server. */
  readonly PostgresError: PostgresErrorClass
  /**
   * Sends messages without postgres.js, after those that it has sent. Returns false when the socket
   * is full.
   */
  send(...messages: readonly Buffer[]): boolean
  /** Pauses or resumes reading from the socket. */
  pause(paused: boolean): void
  /** Reports that postgres.js refused the work, so that no ReadyForQuery will come. */
  untaken(work: SessionWork, error: Error): void
}

const NONE: Buffer = Buffer.alloc(0)

/**
 * What a session does, one at a time: a statement, a cursor, a COPY. It is sent through postgres.js
 * as a query of its one-connection instance. The answer is read here; postgres.js sees only its
 * end. The session line settles it at ReadyForQuery, or when the session ends first.
 */
export abstract class SessionWork implements SubmissionOwner, QueuedWork {
  /** Whether the server may have received it. */
  sent = false
  /** Whether BindComplete has come: from then on the server may have executed part of it. */
  bound = false
  /** The query that postgres.js has. */
  submission: Submission | undefined
  /** The statement that is sent with it in one piece, and queued right behind it. */
  piggybacked: SessionWork | undefined
  protected readonly host: WorkHost
  /** The ErrorResponse of the server, if any. */
  protected refusal: ServerError | undefined
  #body: Buffer = NONE
  #built = false
  /** Whether ReadyForQuery has come. */
  #survived = false
  /** The same error, as postgres.js has made it. */
  #error: unknown
  #untaken: PoolhouseError | undefined

  /** Sends nothing yet. */
  constructor(host: WorkHost) {
    this.host = host
  }

  /**
   * Makes the query for postgres.js. `canClose` says that outdated prepared statements can be
   * closed before it. Throws errors of the caller.
   */
  protected abstract prepare(canClose: boolean): Submission
  /** Takes a message of the answer that is neither ErrorResponse nor ReadyForQuery. */
  abstract take(kind: number, buffer: Buffer, from: number, to: number): void
  abstract wantsRepeat(idle: boolean): boolean
  /** Settles the caller with the answer. */
  protected abstract report(): void
  /** Settles the caller with the reason why nothing was sent, or why the session ended. */
  abstract refuse(error: Error): void

  /** The socket has room for more data. */
  drained(): void {}

  /** Makes the submission, anew for each repetition. */
  submit(canClose: boolean): Submission {
    this.sent = false
    this.bound = false
    this.refusal = undefined
    this.#built = false
    this.#error = undefined
    this.#untaken = undefined
    this.submission = this.prepare(canClose)
    return this.submission
  }

  built(): void {
    this.#built = true
  }

  /** Whether postgres.js has serialised the messages. */
  get isBuilt(): boolean {
    return this.#built
  }

  answered(error: unknown): void {
    this.#error = error
    if (this.sent || error === undefined) return
    const why = messageOf(error)
    this.#untaken = new PoolhouseError(`postgres.js did not send the statement: ${why}`, {
      cause: error,
    })
    // If it failed to serialise the messages, it sends a Sync instead, and ReadyForQuery comes.
    if (!this.#built) this.host.untaken(this, this.#untaken)
  }

  settle(): void {
    this.#survived = true
    if (this.#untaken === undefined) this.report()
    else this.refuse(this.#untaken)
  }

  /** Called when postgres.js writes to the socket: serialised messages are sent now. */
  wrote(): void {
    if (!this.#built || this.sent) return
    this.sent = true
    this.submission?.written()
  }

  /** Takes an ErrorResponse of the answer. */
  takeError(buffer: Buffer, from: number, to: number): ServerError {
    this.#body = buffer.subarray(from + 5, to)
    this.refusal = readErrorResponse(this.#body)
    return this.refusal
  }

  lose(reason: unknown): void {
    const said = this.refusal && this.refusedWith(this.refusal)
    this.refuse(toUnansweredError(said, reason, this.sent))
  }

  /** Returns the error for the caller; its cause is the error of postgres.js. */
  protected refusedWith(refusal: ServerError): DatabaseError {
    const made = this.#error ?? new this.host.PostgresError(readPostgresFields(this.#body))
    return toDatabaseError(refusal, this.#survived, made)
  }
}

/** Reads the body of an ErrorResponse that belongs to no work. */
export function readError(PostgresError: PostgresErrorClass, body: Buffer): Error {
  const cause = new PostgresError(readPostgresFields(body))
  return toDatabaseError(readErrorResponse(body), false, cause)
}

/** Reads the tag of a CommandComplete. */
export function tagOf(buffer: Buffer, from: number, to: number): string {
  return buffer.toString('latin1', from + 5, to - 1)
}
