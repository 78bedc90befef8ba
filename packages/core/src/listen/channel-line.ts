import type { Session } from '../api/session.js'
import type { Clock } from '../base/clock.js'
import { withDeadline } from '../base/with-deadline.js'

// Longest time for one LISTEN, UNLISTEN or ping.
const ANSWER_MS = 5_000

/**
 * One session and the channels for which LISTEN is in effect on it. Asks one question at a time;
 * one that fails or is late rejects.
 */
export class ChannelLine {
  readonly session: Session
  readonly #clock: Clock
  readonly #channels = new Set<string>()
  #asking: string | undefined
  #provedAt: number

  /** Takes a session of its own. */
  constructor(session: Session, clock: Clock) {
    this.session = session
    this.#clock = clock
    this.#provedAt = clock.now()
  }

  /**
   * When the last question was asked that was answered: every notification sent before has come.
   */
  get provedAt(): number {
    return this.#provedAt
  }

  /** The channels, in the order of their LISTEN. */
  get channels(): ReadonlySet<string> {
    return this.#channels
  }

  /**
   * A notification came. Returns whether LISTEN is in effect; the answer to it may lie unread
   * behind the notification.
   */
  hears(channel: string): boolean {
    if (channel === this.#asking) this.#channels.add(channel)
    return this.#channels.has(channel)
  }

  /** LISTEN. */
  async subscribe(channel: string): Promise<void> {
    this.#asking = channel
    try {
      await this.#ask(this.session.listen(channel))
      this.#channels.add(channel)
    } finally {
      this.#asking = undefined
    }
  }

  /** UNLISTEN. From the call on the channel counts as left. */
  async unsubscribe(channel: string): Promise<void> {
    this.#channels.delete(channel)
    await this.#ask(this.session.query(`UNLISTEN "${channel.replaceAll('"', '""')}"`))
  }

  /** Proves that the session is alive. */
  async check(): Promise<void> {
    await this.#ask(this.session.ping())
  }

  async #ask(answer: Promise<unknown>): Promise<void> {
    const askedAt = this.#clock.now()
    await withDeadline(this.#clock, answer, ANSWER_MS, 'no answer to the session that listens')
    this.#provedAt = askedAt
  }
}
