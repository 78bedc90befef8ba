import type { ServerFacts } from '@poolhouse/core/kit'

/** What a server says about itself in one probe. */
export interface ProbeFacts extends ServerFacts {
  /** Whether transactions are read-only unless they say otherwise. */
  readonly readOnly: boolean
  /**
   * Address and port at which the server was reached, as it sees them; undefined over a Unix
   * socket.
   */
  readonly address: string | undefined
  /** The port at which it listens; undefined over a Unix socket. */
  readonly port: number | undefined
  /** Process id of the server process that answered; undefined if it was not told. */
  readonly backendPid: number | undefined
  /** Process id that the session was given at its start; undefined if it was not told. */
  readonly sessionPid: number | undefined
  /** Position up to which a standby has received. */
  readonly receiveLsn: bigint | undefined
}

/**
 * What one probe found:
 *
 * - `answer`: the server told its facts
 * - `busy`: it is not to blame and tells no facts (too many connections, role just changing, our
 *   own descriptors used up)
 * - `starting`: it is starting up or shutting down (57P03)
 * - `denied`: it refuses the user, the password or the database; that is about the client, not
 *   about the server's health
 * - `refused`: nobody listens there; one such probe is proof
 * - `failed`: no answer in time, or the connection broke; two in a row are proof. `isClosed` if a
 *   new connection was closed before its log-in was over, which a server that is only silent does
 *   not do
 */
export type Finding =
  | { readonly kind: 'answer'; readonly facts: ProbeFacts }
  | { readonly kind: 'busy' | 'starting' | 'refused'; readonly detail: string }
  | { readonly kind: 'failed'; readonly detail: string; readonly isClosed?: boolean | undefined }
  | { readonly kind: 'denied'; readonly error: Error }

/**
 * A finding, and the client's time at which the probe was sent and was over; without the latter it
 * took no time.
 */
export type Observation = Finding & {
  readonly sentAt: number
  readonly answeredAt?: number | undefined
}
