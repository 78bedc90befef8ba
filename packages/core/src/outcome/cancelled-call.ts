import { hasCondition } from './conditions.js'
import { ConnectionLostError } from './errors.js'
import type { Durability, Executed } from './outcome.js'
import { PoolhouseError } from './poolhouse-error.js'

/**
 * How long a caller whose running call was cancelled, by its time-out or its signal, is kept for
 * the server's word on what became of it, in milliseconds. Part of the promise that no call
 * outlives its deadline by more than 250 ms.
 */
export const CONFIRM_MS = 200

/** Why a call was cancelled. */
export type CancelReason = 'timeout' | 'abort'

/** Makes the error of a call that was given up. */
export type GiveUp = (executed: Executed, cause?: unknown, durability?: Durability) => Error

/**
 * What the caller of a cancelled call is told, once the server has answered; null if the answer
 * counts as success. Both reasons tell the same truth: a statement that the cancel ended is
 * `rolled-back`, one that was faster is `yes`. These rules decide what it is told as.
 *
 * - A commit that was waiting for its synchronous standbys answers a cancel with success and a
 *   warning. That cancel was ours, so it is an error with `durability: 'local'`, never a success.
 * - An answer that comes after a time-out and within the moment is as good as one in time, also if
 *   it is an error of the statement itself.
 * - After an abort the caller gets an `AbortError`, whatever the answer is. Only the answer to a
 *   COMMIT is a success all the same: what became of the transaction is in its command tag,
 *   `command`.
 */
export function afterCancel(
  reason: CancelReason,
  error: unknown,
  command: string | undefined,
  committedLocally: boolean,
  giveUp: GiveUp,
): unknown {
  if (error === null) {
    if (committedLocally) return giveUp('yes', undefined, 'local')
    const decides = reason === 'timeout' || command === 'COMMIT' || command === 'ROLLBACK'
    return decides ? null : giveUp('yes')
  }
  // Something that no server said, such as a value that the driver cannot send.
  if (!(error instanceof PoolhouseError)) return error
  const isOfTheCancel =
    hasCondition(error, 'query_canceled') || error instanceof ConnectionLostError
  return isOfTheCancel || reason === 'abort' ? giveUp(error.executed, error) : error
}
