import { type DatabaseError, PoolhouseError } from '@poolhouse/core'
import {
  type QueuedWork,
  readErrorResponse,
  type ServerError,
  type SessionStatements,
  toDatabaseError,
  toUnansweredError,
} from '@poolhouse/core/net'
import type { TypeParsers } from '@poolhouse/core/types'
import { readPostgresFields } from './messages.js'
import type { PostgresErrorClass } from './postgres-module.js'
import type { RowShape } from './row-shape.js'
import type { Submission, SubmissionOwner } from './submission.js'

/** What work needs of its connection. */
export interface WorkHost {
  /**
   * The prepared statements of the session. postgres.js keeps a list of its own, without end, which
   * ours never enter.
   */
  readonly prepared: SessionStatements<RowShape>
  /** Makes values of the texts that the server sends. */
  readonly types: TypeParsers
  /** The class that postgres.js makes of the server's errors. */
  readonly PostgresError: PostgresErrorClass
  /**
   * Sends messages that postgres.js does not know of, behind those it has sent. False when the
   * socket wants a pause.
   */
  send(...messages: readonly Buffer[]): boolean
  /** Stops reading the socket, or goes on. */
  pause(paused: boolean): void
  /** postgres.js has refused to take the work, and no ReadyForQuery will come. */
  untaken(work: SessionWork, error: Error): void
}

const NONE: Buffer = Buffer.alloc(0)

/**
 * What one session does at a time: a statement, a cursor, a COPY. It is sent through postgres.js,
 * as a query of its one-connection instance; the answer is read here, and postgres.js gets to see
 * only how it ends. It is settled by its connection, at ReadyForQuery or when the session ends
 * first.
 */
export abstract class SessionWork implements SubmissionOwner, QueuedWork {
  /** Whether the server may have received it. */
  sent = false
  /**
   * Whether the server has bound it: from here on it may have executed a part of it, whatever it
   * says later.
   */
  bound = false
  /** What postgres.js has. */
  submission: Submission | undefined
  /** What goes out with it, in one piece, and is queued right behind it. */
  companion: SessionWork | undefined
  protected readonly host: WorkHost
  /** What the server said against it. */
  protected refusal: ServerError | undefined
  #body: Buffer = NONE
  #built = false
  /** Whether ReadyForQuery has followed. */
  #survived = false
  /** The same in the words of postgres.js. */
  #error: unknown
  #untaken: PoolhouseError | undefined

  /** Sends nothing yet. */
  constructor(host: WorkHost) {
    this.host = host
  }

  /**
   * Makes what is given to postgres.js. `canClose` says that prepared statements can be closed just
   * before. Throws what the caller did wrong.
   */
  protected abstract prepare(canClose: boolean): Submission
  /** A message of the answer that is neither ErrorResponse nor ReadyForQuery. */
  abstract take(kind: number, buffer: Buffer, from: number, to: number): void
  abstract wantsRepeat(idle: boolean): boolean
  /** Settles the caller with the answer. */
  protected abstract report(): void
  /** Settles the caller with why nothing was sent, or why the session ended first. */
  abstract refuse(error: Error): void

  /** The socket has room for more data. */
  drained(): void {}

  /** Makes the submission, or the next one for a repetition. */
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

  /** Whether postgres.js has written it into its buffer. */
  get isBuilt(): boolean {
    return this.#built
  }

  answered(error: unknown): void {
    this.#error = error
    if (this.sent || error === undefined) return
    const why = error instanceof Error ? error.message : String(error)
    this.#untaken = new PoolhouseError(`postgres.js did not send the statement: ${why}`, {
      cause: error,
    })
    // When it has failed at writing the messages down, it sends a Sync in their place.
    if (!this.#built) this.host.untaken(this, this.#untaken)
  }

  settle(): void {
    this.#survived = true
    if (this.#untaken === undefined) this.report()
    else this.refuse(this.#untaken)
  }

  /**
   * Bytes go to the socket; if postgres.js has written the messages before, theirs are among them.
   */
  wrote(): void {
    if (!this.#built || this.sent) return
    this.sent = true
    this.submission?.written()
  }

  /** An ErrorResponse of the answer. */
  takeError(buffer: Buffer, from: number, to: number): ServerError {
    this.#body = buffer.subarray(from + 5, to)
    this.refusal = readErrorResponse(this.#body)
    return this.refusal
  }

  lose(reason: unknown): void {
    const said = this.refusal && this.refusedWith(this.refusal)
    this.refuse(toUnansweredError(said, reason, this.sent))
  }

  /** The error for the caller, whose cause is that of postgres.js. */
  protected refusedWith(refusal: ServerError): DatabaseError {
    const made = this.#error ?? new this.host.PostgresError(readPostgresFields(this.#body))
    return toDatabaseError(refusal, this.#survived, made)
  }
}

/** Reads the body of an ErrorResponse that ends the session, or belongs to nobody here. */
export function readError(PostgresError: PostgresErrorClass, body: Buffer): Error {
  const cause = new PostgresError(readPostgresFields(body))
  return toDatabaseError(readErrorResponse(body), false, cause)
}

/** The tag of a CommandComplete. */
export function tagOf(buffer: Buffer, from: number, to: number): string {
  return buffer.toString('latin1', from + 5, to - 1)
}
