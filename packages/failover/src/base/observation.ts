import type { TimelinePast } from '@poolhouse/core/kit'

/** What a server says about itself in one probe. */
export interface ProbeFacts {
  /** Whether it replays somebody else's write-ahead log. */
  readonly inRecovery: boolean
  /** Whether transactions are read-only unless they say otherwise. */
  readonly readOnly: boolean
  /** System identifier of its cluster; undefined if it was not read. */
  readonly systemId: string | undefined
  /**
   * Timeline: exact on a primary, a lower bound on a standby unless `timelineExact`; undefined if
   * it was not read.
   */
  readonly timeline: number | undefined
  /**
   * Whether the timeline is certain: on a primary, and on a standby that receives, for a role that
   * may read all statistics.
   */
  readonly timelineExact: boolean
  /** The past of its timeline, or where that began; undefined where neither is told. */
  readonly past: TimelinePast | undefined
  /** Whether the role may read all of that past. */
  readonly tellsPast: boolean
  /** Process id of its WAL receiver; null while none runs, undefined if it was not asked. */
  readonly receiver: number | null | undefined
  /** When its postmaster started, as `ServerIdentity` has it. Only ever compared for equality. */
  readonly startedAt: string | undefined
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
  /** Insert position of a primary, replay position of a standby. */
  readonly lsn: bigint | undefined
  /** Position up to which a standby has received. */
  readonly receiveLsn: bigint | undefined
  /** Whether replay is paused on a standby. */
  readonly replayPaused: boolean
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
