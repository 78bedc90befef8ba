import type { EventHub } from '../api/events.js'
import type { Session, SessionOptions } from '../api/session.js'
import type { Clock } from '../base/clock.js'

/** Where a listener gets its session from, and what it needs to know of the pool it belongs to. */
export interface ChannelSource {
  /** Name of the pool, for events and messages. */
  readonly name: string
  /** Time source. */
  readonly clock: Clock
  /** Random source from 0 (included) to 1 (excluded), for jitter. */
  readonly random: () => number
  /**
   * Gets `error` events: the loss of the session, each failure to replace it, and what the caller's
   * functions throw.
   */
  readonly hub: EventHub
  /**
   * Opens a session to listen on, with these options; may wait for a server to open it on as long
   * as it likes. Rejects soon after the signal has fired.
   */
  openSession(options: SessionOptions): Promise<Session>
  /**
   * Whether callers that wait to listen are to be refused because of this failure to open a
   * session, as no wait can mend it. Default: a fatal `ConnectError`.
   */
  isFinal?(error: unknown): boolean
  /** The server, or what stands for it while there is none, for messages. */
  endpoint(): string
  /** Default of `ListenOptions.timeoutMs`. */
  timeoutMs(): number
}
