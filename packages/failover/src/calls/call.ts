import { type ConnectionPool, DatabaseError } from '@poolhouse/core'
import { type CallParty, partyOfCall } from '@poolhouse/core/kit'
import { fateOf } from '../base/fate.js'

/** What to do after a failure: send the work again, or reject the call. */
export type Decision =
  /**
   * `isRerun`: the work had begun, so the time it took was not spent waiting, and the time to wait
   * for a primary starts anew. `costs`: counts against the retry budget unless the primary has
   * changed; `error` is for the caller if the budget is used up.
   */
  | {
      readonly kind: 'retry'
      readonly isRerun: boolean
      readonly costs: boolean
      readonly error: unknown
    }
  | { readonly kind: 'surface'; readonly error: unknown }

/** Send the work again, free of charge: it never began. */
export const RETRY: Decision = { kind: 'retry', isRerun: false, costs: false, error: undefined }
/** Send the work again, free of charge, although it had begun. */
export const RERUN: Decision = { kind: 'retry', isRerun: true, costs: false, error: undefined }

/**
 * One call of a caller, on its way to a primary. It knows whether it may be sent again;
 * `CallDispatcher` knows when and where.
 */
export interface Call<R> {
  /** When the caller made the call, in client time. */
  readonly startedAt: number
  /** The caller's limit for the whole call, in milliseconds. */
  readonly timeoutMs: number | undefined
  /** Aborts the call. */
  readonly signal: AbortSignal | undefined
  /**
   * Whether the caller asked for read-only work: a refused write then says nothing about the node.
   */
  readonly isReadOnly: boolean
  /** Whether it asks for a subscription, which ends when the pool begins to close. */
  readonly isListening: boolean
  /** What `partyOfCall` returned when the call was made. It is sent for this party. */
  readonly party?: CallParty | undefined
  /**
   * Sends the work to a node. `timeoutMs` is what is left of the call's limit, and `waitMs` what is
   * left of the time to wait; the latter only if the call has waited or failed before.
   */
  send(pool: ConnectionPool, timeoutMs: number | undefined, waitMs?: number): Promise<R>
  /** What to do after the work failed on this node. */
  decide(error: unknown, pool: ConnectionPool): Decision
  /** The primary was lost, or another one was found, since the work failed. */
  primaryChanged(): void
  /** The error that the caller gets when the call has failed for good with `error`. */
  finalError(error: unknown): unknown
}

/** Limits that every call can have. */
export interface CallLimits {
  readonly timeoutMs?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/** What all calls share: their limits, and the decision for work that has not begun. */
export abstract class BasicCall<Options extends CallLimits> {
  /** See `Call`. */
  readonly startedAt: number
  /** The options of the call. */
  readonly options: Options | undefined
  /** See `Call`. */
  readonly party: CallParty | undefined
  #refusedBy: ConnectionPool | undefined
  // A primary that is read-only again and again would make the call go round.
  #mayForget = true

  /**
   * Copies the options: they are used as they were at the call, however often it is sent. `party`
   * is given where the call was made earlier; by default it is the present one.
   */
  constructor(
    options: Options | undefined,
    startedAt: number,
    party: CallParty | undefined = partyOfCall(),
  ) {
    this.options = options && { ...options }
    this.party = party
    this.startedAt = startedAt
  }

  /** See `Call`. */
  get timeoutMs(): number | undefined {
    return this.options?.timeoutMs
  }

  /** See `Call`. */
  get signal(): AbortSignal | undefined {
    return this.options?.signal
  }

  /** See `Call`. */
  get isReadOnly(): boolean {
    return false
  }

  /** See `Call`. */
  get isListening(): boolean {
    return false
  }

  /** See `Call`. */
  finalError(error: unknown): unknown {
    return error
  }

  /** See `Call`. A server that was read-only for a time explains one refusal. */
  primaryChanged(): void {
    if (this.#refusedBy === undefined || !this.#mayForget) return
    this.#mayForget = false
    this.#refusedBy = undefined
  }

  /** The decision for work that has not begun: it may be sent again if the node was the reason. */
  decide(error: unknown, pool: ConnectionPool): Decision {
    switch (fateOf(error)) {
      case 'resend':
        // A refusal made the server work, so it costs. What never reached a server is free.
        return error instanceof DatabaseError
          ? { kind: 'retry', isRerun: false, costs: true, error }
          : RETRY
      case 'misrouted':
        // A second refusal by the same server, which was probed in between and is the primary
        // still, means that the session is read-only and not the server.
        if (this.#refusedBy === pool) return { kind: 'surface', error }
        this.#refusedBy = pool
        return { kind: 'retry', isRerun: false, costs: true, error }
      case 'in-doubt':
      case 'surface':
        return { kind: 'surface', error }
    }
  }
}
