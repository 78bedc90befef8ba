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
 * What one session does at a time: a statement, a cursor, a COPY. It goes through `pg.Client` like
 * a query and is settled by its connection, at ReadyForQuery or when the session ends first.
 */
export interface SessionWork extends PgSubmittable, QueuedWork {
  /** Whether the server may have received it. */
  readonly sent: boolean
  /**
   * Whether `pg` has handed over the answer; what is left to come is ReadyForQuery, or this is it.
   */
  readonly answered: boolean
  /**
   * Whether the server has bound it: from here on it may have executed a part of it, whatever it
   * says later.
   */
  bound: boolean
  /** Whether the columns of what it returns are known, without a description. */
  readonly returnsRows: boolean
  /** The server has parsed it. */
  handleParseComplete(): void
  /** The server is about to send the data of a COPY. */
  handleCopyOutResponse(): void
  /**
   * Something in the answer cannot be read: the work fails with this, when ReadyForQuery has come.
   * Undefined for work that has no rows.
   */
  handleUnreadable?(cause: Error, executed: 'yes' | 'unknown'): void
  /** Settles the caller of something that was refused before it was sent. */
  refuse(error: Error): void
}

/** What work needs of its connection. */
export interface WorkHost {
  /** The prepared statements of the session. */
  readonly prepared: SessionStatements<RowShape>
  /** What makes values of the texts that the server sends. */
  readonly types: TypeParsers
  /** `pg` refused to send the work: no ReadyForQuery will come. */
  unsent(work: SessionWork, error: Error): void
}

/**
 * The error of work whose session ended first. `said` is what the server, or `pg`, had said against
 * it by then.
 */
export function errorOfLoss(said: Error | undefined, reason: unknown, sent: boolean): Error {
  const refusal = isServerError(said) ? toDatabaseError(said, false) : undefined
  return toUnansweredError(refusal, reason, sent)
}

/**
 * The error of work that the server has answered, from what it, a type parser or `pg` said against
 * it.
 */
export function errorOfAnswer(said: Error): Error {
  if (said instanceof PoolhouseError) return said
  if (isServerError(said)) return toDatabaseError(said, true)
  return new PoolhouseError(`the answer cannot be read: ${said.message}`, {
    executed: 'unknown',
    cause: said,
  })
}
