import { PoolhouseError } from '@poolhouse/core'
import {
  isServerError,
  type QueuedWork,
  type SessionStatements,
  toDatabaseError,
  toUnansweredError,
} from '@poolhouse/core/net'
import type { TypeParsers } from '@poolhouse/core/types'
import type { PgSubmittable } from './pg-module.js'
import type { RowShape } from './row-shape.js'

/**
 * What a session does, one at a time: a statement, a cursor, a COPY. It passes through `pg.Client`
 * like a query. The connection settles it at ReadyForQuery, or when the session ends first.
 */
export interface SessionWork extends PgSubmittable, QueuedWork {
  /** Whether the server may have received it. */
  readonly sent: boolean
  /** Whether the whole answer is there, perhaps except for ReadyForQuery. */
  readonly answered: boolean
  /** Whether BindComplete has come: from then on the server may have executed part of it. */
  bound: boolean
  /** Whether it is known to return rows without a RowDescription. */
  readonly returnsRows: boolean
  handleParseComplete(): void
  handleCopyOutResponse(): void
  /** Fails the work at ReadyForQuery, because its answer cannot be read. Undefined without rows. */
  handleUnreadable?(cause: Error, executed: 'yes' | 'unknown'): void
  /** Settles the caller of work that was refused before it was sent. */
  refuse(error: Error): void
}

/** The connection, as its work uses it. */
export interface WorkHost {
  /** The prepared statements of the session. */
  readonly prepared: SessionStatements<RowShape>
  /** Turns the texts of the server into values. */
  readonly types: TypeParsers
  /** Reports that `pg` refused to send the work, so that no ReadyForQuery will come. */
  unsent(work: SessionWork, error: Error): void
}

/**
 * Returns the error of work whose session ended first. `said` is the error of the server or of `pg`
 * that had come by then.
 */
export function errorOfLoss(said: Error | undefined, reason: unknown, sent: boolean): Error {
  const refusal = isServerError(said) ? toDatabaseError(said, false) : undefined
  return toUnansweredError(refusal, reason, sent)
}

/** Returns the error of answered work, made of an error of the server, a type parser or `pg`. */
export function errorOfAnswer(said: Error): Error {
  if (said instanceof PoolhouseError) return said
  if (isServerError(said)) return toDatabaseError(said, true)
  return new PoolhouseError(`the answer cannot be read: ${said.message}`, {
    executed: 'unknown',
    cause: said,
  })
}
