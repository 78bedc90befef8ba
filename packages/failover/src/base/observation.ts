import type { ServerFacts } from '@poolhouse/core/kit'

/** What a server says about itself in one probe. */
export interface ProbeFacts extends ServerFacts {
  /** Value of `default_transaction_read_only`. */
  readonly readOnly: boolean
  /**
   * Address and port at which the server was reached, as it sees them; undefined over a Unix
   * socket.
   */
  readonly address: string | undefined
  /** The port at which it listens; undefined over a Unix socket. */
  readonly port: number | undefined
  /** Process id of the backend that answered; undefined if unknown. */
  readonly backendPid: number | undefined
  /** Backend process id announced when the session started; undefined if unknown. */
  readonly sessionPid: number | undefined
}

/**
 * Result of one probe:
 *
 * - `answer`: the server answered with its facts
 * - `busy`: no facts, but no sign of death either (too many connections, the role is just changing,
 *   our own process has no file descriptors left)
 * - `starting`: the server is starting up or shutting down (57P03)
 * - `denied`: the server refuses the user, the password or the database, which says nothing about
 *   its health
 * - `refused`: nothing listens at the address; one such probe proves that the server is gone
 * - `failed`: no answer in time, or the connection broke; two in a row prove that the server is
 *   dead. `isClosed` if a new connection was closed before the log-in was over: a server that is
 *   merely silent does not do that
 */
export type Finding =
  | { readonly kind: 'answer'; readonly facts: ProbeFacts }
  | { readonly kind: 'busy' | 'starting' | 'refused'; readonly detail: string }
  | { readonly kind: 'failed'; readonly detail: string; readonly isClosed?: boolean | undefined }
  | { readonly kind: 'denied'; readonly error: Error }

/**
 * A finding with the client times at which the probe was sent and answered. `answeredAt` defaults
 * to `sentAt`.
 */
export type Observation = Finding & {
  readonly sentAt: number
  readonly answeredAt?: number | undefined
}
