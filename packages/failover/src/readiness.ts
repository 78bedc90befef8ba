import {
  AbortError,
  type ConnectionPool,
  NoPrimaryError,
  PoolClosedError,
  type ReadyOptions,
} from '@poolhouse/core'
import { checkReadyOptions, ownErrorHere } from '@poolhouse/core/kit'
import { awaitUntil } from './base/await-until.js'
import type { FailoverConfig } from './options/failover-options.js'
import type { TopologyWatch } from './watch/topology-watch.js'

// `ready()` waits even with `hold: false`: waiting is its purpose.
const READY_MS = 10_000

/**
 * Carries out `ready()`: waits until there is a primary that can be connected to. The limits of
 * `hold` do not apply to it.
 */
export class Readiness {
  readonly #config: FailoverConfig
  readonly #watch: TopologyWatch
  readonly #closed: AbortSignal
  #next: Promise<void> | undefined
  #wake: (() => void) | undefined

  /** `closed` fires when the pool closes. The owner must then call `topologyChanged` too. */
  constructor(config: FailoverConfig, watch: TopologyWatch, closed: AbortSignal) {
    this.#config = config
    this.#watch = watch
    this.#closed = closed
  }

  /** Wakes the waiting callers after a change of the topology, or because the pool closes. */
  topologyChanged(): void {
    this.#wake?.()
    this.#wake = undefined
    this.#next = undefined
  }

  /** See `Pool.ready`. */
  async wait(options: ReadyOptions | undefined): Promise<void> {
    if (options !== undefined) checkReadyOptions(options)
    const { clock, hold } = this.#config
    const { timeoutMs = hold?.timeoutMs ?? READY_MS, signal } = options ?? {}
    const startedAt = clock.now()
    const deadline = startedAt + timeoutMs
    for (;;) {
      const primary = this.#primary(signal)
      const leftMs = deadline - clock.now()
      if (primary !== undefined) {
        if (await this.#connects(primary, Math.max(1, leftMs), signal)) return
      } else if (leftMs > 0) {
        await awaitUntil(clock, deadline, signal, this.#change())
      } else {
        const { name } = this.#config
        throw new NoPrimaryError(
          `"${name}" has no primary, waited for ${Math.round(clock.now() - startedAt)} ms; nodes: ${this.#watch.describe()}`,
          this.#watch.noPrimaryCause(),
        )
      }
    }
  }

  /** The primary; undefined if there is none. Throws if waiting for one is pointless. */
  #primary(signal: AbortSignal | undefined): ConnectionPool | undefined {
    if (this.#closed.aborted) throw new PoolClosedError(this.#config.name)
    if (signal?.aborted) throw new AbortError(signal.reason, 'no')
    const { primary, blocked } = this.#watch
    if (blocked !== undefined) throw ownErrorHere(blocked)
    return primary
  }

  /**
   * Whether the primary has a connection; false if it is not the primary any more. Rejects with the
   * reason why it has none.
   */
  async #connects(
    primary: ConnectionPool,
    timeoutMs: number,
    signal: AbortSignal | undefined,
  ): Promise<boolean> {
    try {
      await primary.ready({ timeoutMs, signal })
      return this.#watch.primary === primary
    } catch (error) {
      // A failure of a lost primary says nothing about the next one.
      if (this.#primary(signal) === primary) throw error
      return false
    }
  }

  #change(): Promise<void> {
    this.#next ??= new Promise((resolve) => {
      this.#wake = resolve
    })
    return this.#next
  }
}
