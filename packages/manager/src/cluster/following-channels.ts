import {
  AbortError,
  ConnectionLostError,
  type Session,
  type SessionOptions,
  type Topology,
} from '@poolhouse/core'
import { ChannelListener, formatEndpoint, unwatchSignal, watchSignal } from '@poolhouse/core/kit'
import type { DatabaseMember } from './database-member.js'
import { ServerNode } from './server-node.js'

const LISTEN_MS = 10_000

/** The subscriptions of one member where the primary is followed: their session moves with it. */
export class FollowingChannels {
  readonly channels: ChannelListener
  readonly #member: DatabaseMember
  readonly #topology: Topology
  readonly #unsubscribe: () => void
  #primary: ServerNode | undefined

  /** Starts to follow the topology. */
  constructor(member: DatabaseMember, topology: Topology) {
    this.#member = member
    this.#topology = topology
    this.#primary = primaryOf(topology)
    const { name, clock, random, hub } = member
    this.channels = new ChannelListener({
      name,
      clock,
      random,
      hub,
      openSession: (options) => this.#open(options),
      endpoint: () => (this.#primary === undefined ? name : formatEndpoint(this.#primary.endpoint)),
      timeoutMs: () => LISTEN_MS,
    })
    this.#unsubscribe = topology.subscribe(() => this.#follow())
  }

  /** Closes every subscription. */
  async close(): Promise<void> {
    this.#unsubscribe()
    await this.channels.close()
  }

  #follow(): void {
    const former = this.#primary
    this.#primary = primaryOf(this.#topology)
    if (former === undefined || former === this.#primary) return
    const now =
      this.#primary === undefined ? 'and there is no other' : `but ${this.#primary.name} is`
    this.channels.drop(
      new ConnectionLostError(`${former.name} is no longer primary, ${now}`, { executed: 'no' }),
    )
  }

  async #open(options: SessionOptions): Promise<Session> {
    const node = primaryOf(this.#topology) ?? (await this.#nextPrimary(options.signal))
    const session = await this.#member.poolAt(node).openSession(options)
    if (node === primaryOf(this.#topology)) return session
    const news = `${node.name} is no longer primary`
    session.destroy(news)
    throw new ConnectionLostError(news, { executed: 'no' })
  }

  #nextPrimary(signal: AbortSignal | undefined): Promise<ServerNode> {
    return new Promise((resolve, reject) => {
      const end = (): void => {
        unsubscribe()
        unwatchSignal(signal, onAbort)
      }
      const onAbort = (): void => {
        end()
        reject(new AbortError(signal!.reason, 'no'))
      }
      const unsubscribe = this.#topology.subscribe(() => {
        const node = primaryOf(this.#topology)
        if (node === undefined) return
        end()
        resolve(node)
      })
      watchSignal(signal, onAbort)
    })
  }
}

function primaryOf(topology: Topology): ServerNode | undefined {
  const { primary } = topology.current
  return primary?.pool instanceof ServerNode ? primary.pool : undefined
}
