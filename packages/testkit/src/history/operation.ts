import type { Executed } from '@poolhouse/core'

/**
 * What a worker did: one row in a statement of its own, two rows in one transaction, or a look at
 * its own rows.
 */
export type OperationKind = 'insert' | 'pair' | 'read'

/**
 * What a call told its caller. `unstated` means that it failed without saying whether the work was
 * done.
 */
export type OperationOutcome =
  | {
      /** It resolved. */
      readonly kind: 'acknowledged'
    }
  | {
      /** It rejected. */
      readonly kind: 'failed'
      /** What the error said of the work. */
      readonly executed: Executed | 'unstated'
      /** Its code, if it has one. */
      readonly code: string | undefined
      /** Its message. */
      readonly message: string
    }

/** One call of a worker, from its invocation to what became of it. */
export interface Operation {
  /** Unique in the history; a write stores it in its rows. */
  readonly id: string
  /** What it was. */
  readonly kind: OperationKind
  /** Who did it. */
  readonly worker: number
  /** Number of the call among those of its worker, from 1. */
  readonly seq: number
  /** Longest time it may take, in milliseconds. */
  readonly deadlineMs: number
  /** When it was invoked, as `performance.now()`. */
  readonly invokedAt: number
  /** When it settled; undefined while it is under way. */
  settledAt?: number
  /** What it told; undefined while it is under way. */
  outcome?: OperationOutcome
  /**
   * Of a read: the highest number that it saw of the writes of its worker, or of the writer it
   * watches; 0 for none.
   */
  saw?: number
  /**
   * Of a read: the highest number of its worker's writes that had been acknowledged before it was
   * invoked.
   */
  mustSee?: number
  /** Of a read: whose writes it looked at; a worker. */
  looksAt?: number
  /**
   * Of a read: numbers of writes that had been acknowledged before it was invoked, that it should
   * have shown beside the highest, and did not.
   */
  missed?: readonly number[]
}
