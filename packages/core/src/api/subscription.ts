import {
  checkFunction,
  checkOptions,
  describeName,
  describeValue,
  type OptionChecks,
  optionChecks,
} from '../base/option-check.js'
import { LIMITS } from './call-options.js'

/**
 * Called with what was sent by NOTIFY: the payload, an empty string if there was none, and the
 * channel. Untrusted text.
 */
export type NotifyListener = (payload: string, channel: string) => void

/**
 * A time in which notifications may have been missed. PostgreSQL keeps none for those who were not
 * there.
 */
export interface Gap {
  /** The channel. */
  readonly channel: string
  /**
   * How long it was, in milliseconds: from the last time the session is known to have received
   * everything to the acknowledgement of the new LISTEN. Never too short; up to the time between
   * two checks of the session (10 s) too long.
   */
  readonly forMs: number
  /** Why there is a gap: how the session was lost, or why it moved to another server. */
  readonly reason: Error
}

/**
 * Options of `listen`.
 *
 * @example
 * await pool.listen('orders', refresh, {
 *   timeoutMs: 5_000,
 *   signal: AbortSignal.timeout(3_600_000),
 *   onGap: ({ forMs }) => refreshAll(`${forMs} ms may be missing`),
 * })
 */
export interface ListenOptions {
  /**
   * Longest time until the first LISTEN is acknowledged, in milliseconds. Default:
   * `connectTimeoutMs`; a failover pool waits as long as it holds calls.
   */
  timeoutMs?: number | undefined
  /**
   * Ends the subscription. Before the first LISTEN is acknowledged `listen` rejects with
   * `AbortError`. Default: none.
   */
  signal?: AbortSignal | undefined
  /**
   * Called after each gap, before the first notification that follows it: read again what the
   * notifications tell about. Default: gaps are not told.
   */
  onGap?: ((gap: Gap) => void) | undefined
}

/**
 * A standing LISTEN. It survives the loss of its connection and keeps the process alive until it is
 * closed.
 */
export interface Subscription extends AsyncDisposable {
  /** The channel. */
  readonly channel: string
  /**
   * True once it is closed: by `close()`, by its signal, or with its pool. Nothing is called any
   * more.
   */
  readonly closed: boolean
  /** Whether LISTEN is in effect; false during a gap and once it is closed. */
  readonly listening: boolean
  /**
   * Ends it; nothing is called any more. Resolves when the server has been told, or its connection
   * is gone. Idempotent; never rejects.
   *
   * @example
   * const subscription = await pool.listen('orders', refresh)
   * await subscription.close()
   */
  close(): Promise<void>
}

const CHECKS: OptionChecks = optionChecks({ ...LIMITS, onGap: checkFunction })
// NAMEDATALEN - 1: LISTEN cuts a longer name off with no more than a notice, and pg_notify refuses
// it.
const MOST_BYTES = 63

/**
 * Checks the arguments of `listen`. Throws `TypeError` or `RangeError` naming argument and value.
 */
export function checkListenArguments(
  channel: unknown,
  onNotify: unknown,
  options: ListenOptions | undefined,
): void {
  if (typeof channel !== 'string') {
    throw new TypeError(`listen: channel must be a string, got ${describeValue(channel)}`)
  }
  const bytes = Buffer.from(channel)
  if (bytes.length === 0 || bytes.length > MOST_BYTES) {
    throw new RangeError(
      `listen: channel must have 1 to ${MOST_BYTES} bytes in UTF-8, got ${bytes.length}: ${describeName(channel)}`,
    )
  }
  if (channel.includes('\0') || bytes.toString() !== channel) {
    throw new RangeError(
      `listen: channel must be well-formed Unicode without NUL, got ${describeName(channel)}`,
    )
  }
  checkFunction('listen', onNotify, 'onNotify')
  if (options !== undefined) checkOptions('listen', options, CHECKS)
}
