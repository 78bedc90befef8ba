import { AbortError, type Pool, PoolClosedError, type ReadyOptions } from '@poolhouse/core'
import { checkReadyOptions } from '@poolhouse/core/kit'
import type { Background } from './base/background.js'
import type { Membership } from './nodes/membership.js'
import type { ReplicaNode } from './nodes/replica-node.js'
import type { ReplicaSet } from './nodes/replica-set.js'
import type { NameCatalog } from './read/name-catalog.js'
import type { FreshWait } from './route/fresh-wait.js'

// A silent replica is found out by then. A replica that is behind must not keep a service from
// starting.
const REPLICAS_MS = 2_000

/** What it takes to know whether a pool with replicas is ready. */
export interface ReadinessParts {
  readonly primary: Pool
  readonly set: ReplicaSet
  readonly membership: Pick<Membership, 'undecided'>
  readonly freshWait: FreshWait
  readonly background: Background
  /** Names that classified statements depend on; undefined if they depend on none. */
  readonly names: NameCatalog | undefined
}

/** Waits for the primary, and then until it is known how far the replicas are behind. */
export class Readiness {
  readonly #parts: ReadinessParts

  /** Asks nothing by itself. */
  constructor(parts: ReadinessParts) {
    this.#parts = parts
  }

  /** See `Pool.ready`. */
  async wait(options: ReadyOptions | undefined): Promise<void> {
    if (options !== undefined) checkReadyOptions(options)
    const { timeoutMs = Number.POSITIVE_INFINITY, signal } = options ?? {}
    const { primary, background, freshWait, names } = this.#parts
    const startedAt = background.now()
    this.#check(undefined)
    await primary.ready(options)
    this.#check(signal)
    const until = Math.min(startedAt + timeoutMs, background.now() + REPLICAS_MS)
    if (!this.#isDecided()) await freshWait.wait(() => this.#isDecided(), until, signal)
    this.#check(signal)
    const leftMs = Math.max(1, until - background.now())
    // Failures are reported as events of the pools, and the next read finds another node.
    await Promise.allSettled([
      ...this.#fit().map(({ pool }) => pool.ready({ timeoutMs: leftMs, signal })),
      names?.learn(until, signal),
    ])
    this.#check(signal)
  }

  #isDecided(): boolean {
    const { set, membership } = this.#parts
    return !set.nodes.some((node) => membership.undecided(node))
  }

  #fit(): ReplicaNode[] {
    return this.#parts.set.nodes.filter(
      ({ unfit, ejected }) => unfit === undefined && ejected === undefined,
    )
  }

  #check(signal: AbortSignal | undefined): void {
    const { background } = this.#parts
    if (background.stopped.aborted) throw new PoolClosedError(background.name)
    if (signal?.aborted) throw new AbortError(signal.reason, 'no')
  }
}
