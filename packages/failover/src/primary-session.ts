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
import { isHint } from './base/fate.js'
import type { FailoverConfig } from './options/failover-options.js'
import type { TopologyWatch } from './watch/topology-watch.js'

const DEFAULT_MS = 10_000

/**
 * Keeps the session of the subscriptions on the primary. Owns which node the session is on. A
 * session on any other node than the present primary is destroyed.
 */
export class PrimarySession {
  /** The subscriptions. */
  readonly channels: ChannelListener
  readonly #watch: Pick<TopologyWatch, 'hint'>
  #primary: ConnectionPool | undefined
  // The node that the session is on, or was on last.
  #home: ConnectionPool | undefined
  #waiting: (() => void)[] = []

  /** Has no primary before `follow`. */
  constructor(config: FailoverConfig, hub: EventHub, watch: Pick<TopologyWatch, 'hint'>) {
    const { name, clock, random, hold } = config
    this.#watch = watch
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

  /** Takes over the present primary, or that there is none. */
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
    if (primary !== undefined) for (const goOn of this.#waiting.splice(0)) goOn()
  }

  async #open(options: SessionOptions): Promise<Session> {
    const primary = this.#primary ?? (await this.#nextPrimary(options.signal))
    let session: Session
    try {
      session = await primary.openSession(options)
    } catch (error) {
      if (isHint(error)) this.#watch.hint(primary.name)
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

  #nextPrimary(signal: AbortSignal | undefined): Promise<ConnectionPool> {
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.#waiting = this.#waiting.filter((other) => other !== goOn)
        reject(new AbortError(signal!.reason, 'no'))
      }
      const goOn = (): void => {
        unwatchSignal(signal, onAbort)
        resolve(this.#primary!)
      }
      watchSignal(signal, onAbort)
      this.#waiting.push(goOn)
    })
  }
}
