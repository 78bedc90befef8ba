import {
  AbortError,
  ConnectionLostError,
  type ConnectionPool,
  type Session,
  type SessionOptions,
} from '@poolhouse/core'
import {
  ChannelListener,
  type EventHub,
  formatEndpoint,
  unwatchSignal,
  watchSignal,
} from '@poolhouse/core/kit'
import { isSign } from './base/fate.js'
import type { FailoverConfig } from './options/failover-options.js'

const DEFAULT_MS = 10_000

/** What the session of the subscriptions needs of its pool. */
export interface PrimarySessionOptions {
  readonly config: FailoverConfig
  readonly hub: EventHub
  /** A node could not be reached. */
  readonly hint: (node: string) => void
}

/**
 * Keeps the session of the subscriptions on the primary. Owns which node it is on: a session on any
 * other node than the present primary is broken and not believed.
 */
export class PrimarySession {
  readonly channels: ChannelListener
  readonly #hint: (node: string) => void
  #primary: ConnectionPool | undefined
  // Where the session is, or was last.
  #home: ConnectionPool | undefined
  #appeared: (() => void)[] = []

  /** Begins without a primary. */
  constructor({ config, hub, hint }: PrimarySessionOptions) {
    const { name, clock, random, hold } = config
    this.#hint = hint
    this.channels = new ChannelListener({
      name,
      clock,
      random,
      hub,
      openSession: (options) => this.#open(options),
      endpoint: () => (this.#primary === undefined ? name : formatEndpoint(this.#primary.endpoint)),
      timeoutMs: () => hold?.timeoutMs ?? DEFAULT_MS,
    })
  }

  /** The primary is another one, or there is none. */
  follow(primary: ConnectionPool | undefined): void {
    const former = this.#primary ?? this.#home
    if (primary === this.#primary) return
    this.#primary = primary
    if (former !== undefined && former !== primary) {
      const from = formatEndpoint((this.#home ?? former).endpoint)
      const news =
        primary === undefined
          ? `${from} is no longer primary, and there is no other`
          : `primary moved ${from} → ${formatEndpoint(primary.endpoint)}`
      this.channels.drop(new ConnectionLostError(news, { executed: 'no' }))
    }
    if (primary !== undefined) for (const appeared of this.#appeared.splice(0)) appeared()
  }

  async #open(options: SessionOptions): Promise<Session> {
    const primary = this.#primary ?? (await this.#someone(options.signal))
    let session: Session
    try {
      session = await primary.openSession(options)
    } catch (error) {
      if (isSign(error)) this.#hint(primary.name)
      throw error
    }
    if (primary === this.#primary) {
      this.#home = primary
      return session
    }
    const news = `"${primary.name}" (${formatEndpoint(primary.endpoint)}) is no longer primary`
    session.destroy(news)
    throw new ConnectionLostError(news, { executed: 'no' })
  }

  #someone(signal: AbortSignal | undefined): Promise<ConnectionPool> {
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.#appeared = this.#appeared.filter((other) => other !== appeared)
        reject(new AbortError(signal!.reason, 'no'))
      }
      const appeared = (): void => {
        unwatchSignal(signal, onAbort)
        resolve(this.#primary!)
      }
      watchSignal(signal, onAbort)
      this.#appeared.push(appeared)
    })
  }
}
