import type {
  DiscoveredNode,
  Discovery,
  DiscoveryAnswer,
  DiscoveryContext,
} from '@poolhouse/failover'
import type { ServerSpec } from '../options/database-spec.js'

/** A discovery that finds the servers which the configuration lists, also after a reload. */
export class ListedServers implements Discovery<DiscoveredNode> {
  readonly name = 'the configuration'
  // By database: the databases of a group may be reloaded one after the other.
  readonly #lists = new Map<string, readonly ServerSpec[]>()
  #isTold = false
  #tell: (() => void) | undefined

  /** Replaces the servers that this database lists. */
  list(database: string, servers: readonly ServerSpec[]): void {
    this.#lists.set(database, servers)
    this.#isTold = false
    this.#tell?.()
  }

  /** The listed server at this address. */
  at({ host, port }: DiscoveredNode): ServerSpec | undefined {
    return this.#all.find((server) => server.host === host && server.port === port)
  }

  /** Returns the list; from the second time on, once it has changed. */
  async next({ signal }: DiscoveryContext): Promise<DiscoveryAnswer> {
    if (this.#isTold) await this.#change(signal)
    this.#isTold = true
    const nodes = this.#all.map(({ host, port }) => ({ host, port }))
    return { nodes, validMs: 0 }
  }

  get #all(): ServerSpec[] {
    const all = new Map<string, ServerSpec>()
    for (const server of [...this.#lists.values()].flat()) {
      all.set(JSON.stringify([server.host, server.port]), server)
    }
    return [...all.values()]
  }

  #change(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = (): void => {
        this.#tell = undefined
        signal.removeEventListener('abort', end)
        if (signal.aborted) reject(signal.reason)
        else resolve()
      }
      this.#tell = end
      signal.addEventListener('abort', end, { once: true })
      if (signal.aborted) end()
    })
  }
}
