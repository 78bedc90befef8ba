import {
  AbortError,
  type ConnectionPool,
  type EventHub,
  InDoubtError,
  PoolClosedError,
} from '@poolhouse/core'
import { awaitUntil } from './await-until.js'
import type { Errand } from './errand.js'
import type { FailoverConfig } from './failover-options.js'
import { HoldQueue } from './hold-queue.js'
import { isSign } from './outcome.js'
import { describeNodes } from './topology-snapshot.js'
import type { TopologyWatch } from './topology-watch.js'

/** A failure on a node. */
export interface Failure {
  readonly pool: ConnectionPool
  readonly error: unknown
}

// While the first round of probes is under way even calls that must not be held wait for its end.
const FINDING_MS = 10_000
const FINDING_CALLS = 1_000
const PAUSE_BASE_MS = 5
// Short enough that a call which is aborted or closed meanwhile is not late.
const PAUSE_MOST_MS = 100

/** Carries errands to whoever is primary: holds them while nobody is, and sends them again where that is safe. */
export class Courier {
  readonly #config: FailoverConfig
  readonly #watch: TopologyWatch
  readonly #hub: EventHub
  readonly #queue: HoldQueue
  #closed = false

  /** Shares the watch and the hub of the pool. */
  constructor(config: FailoverConfig, watch: TopologyWatch, hub: EventHub) {
    this.#config = config
    this.#watch = watch
    this.#hub = hub
    this.#queue = new HoldQueue({
      name: config.name,
      clock: config.clock,
      hub,
      maxCalls: config.hold?.maxCalls ?? FINDING_CALLS,
      describe: () => describeNodes(watch.current),
    })
  }

  /** Calls that wait for a primary. */
  get held(): number {
    return this.#queue.size
  }

  /** The view has changed: whoever waits goes on, or learns that waiting is pointless. */
  topologyChanged(): void {
    const { primary, blocked, finding } = this.#watch
    if (primary !== undefined) {
      this.#queue.release(primary, `"${primary.name}" is primary`)
    } else if (blocked !== undefined) {
      this.#queue.refuse(() => blocked)
    } else if (this.#config.hold === undefined && !finding) {
      this.#queue.refuse(() => this.#queue.noPrimary('and calls are not held (hold: false)'))
    }
  }

  /** Refuses the calls that wait and every later one. */
  close(): void {
    this.#closed = true
    this.#queue.refuse(() => new PoolClosedError(this.#config.name))
  }

  /**
   * Sends the errand to the primary, now or when there is one, and again as long as that is safe and its time has not run
   * out. `failure` is what a first attempt has met already.
   */
  async carry<R>(errand: Errand<R>, failure?: Failure): Promise<R> {
    let failed = failure
    let waitFrom = errand.startedAt
    for (let sent = failure === undefined ? 0 : 1; ; sent++) {
      if (failed !== undefined) {
        if (this.#mayGoAgain(errand, failed)) waitFrom = this.#config.clock.now()
        await this.#beforeNext(errand, failed, sent, this.#deadline(errand, waitFrom))
      }
      let pool = await this.#primaryFor(errand, this.#deadline(errand, waitFrom), failed)
      // Between the release of a held call and this line the next news may have come.
      while (pool !== this.#watch.primary) {
        pool = await this.#primaryFor(errand, this.#deadline(errand, waitFrom), failed)
      }
      const left = this.#left(errand, waitFrom)
      try {
        return await errand.send(pool, left.timeoutMs, left.waitMs)
      } catch (error) {
        failed = { pool, error }
      }
    }
  }

  /** Throws what the caller must learn. Returns whether the work had been begun, so that its time to wait starts anew. */
  #mayGoAgain(errand: Errand<unknown>, { pool, error }: Failure): boolean {
    if (isSign(error) && !(errand.isReadOnly && isReadOnlyRefusal(error))) {
      this.#watch.hint(pool.name)
    }
    const decision = errand.decide(error, pool)
    if (decision.kind === 'again') return decision.rerun
    if (decision.error instanceof InDoubtError && this.#hub.has('in-doubt')) {
      const { name } = this.#config
      this.#hub.emit('in-doubt', { pool: name, node: pool.name, error: decision.error })
    }
    throw decision.error
  }

  /** A node that failed is looked at before it gets the work again; and it does not get it again and again without a pause. */
  async #beforeNext(
    errand: Errand<unknown>,
    { pool, error }: Failure,
    sent: number,
    deadline: number,
  ): Promise<void> {
    const { clock, random } = this.#config
    const { signal } = errand
    if (this.#watch.primary !== pool) return
    if (isSign(error)) await awaitUntil(clock, deadline, signal, this.#watch.check(pool.name))
    if (this.#watch.primary !== pool || (sent < 2 && isSign(error))) return
    const pause = Math.min(PAUSE_MOST_MS, PAUSE_BASE_MS * 2 ** sent) * (0.5 + random() / 2)
    await awaitUntil(clock, Math.min(deadline, clock.now() + pause), signal, undefined)
  }

  #primaryFor(
    errand: Errand<unknown>,
    deadline: number,
    failed: Failure | undefined,
  ): ConnectionPool | Promise<ConnectionPool> {
    if (this.#closed) throw new PoolClosedError(this.#config.name)
    const { signal } = errand
    if (signal?.aborted) throw new AbortError(signal.reason, 'no')
    const { primary, blocked, finding } = this.#watch
    if (primary !== undefined) {
      // The time is up, and the reason is better known than "no time".
      if (failed !== undefined && this.#config.clock.now() >= deadline) throw failed.error
      return primary
    }
    if (blocked !== undefined) throw blocked
    if (this.#config.hold === undefined && !finding) {
      throw this.#queue.noPrimary('and calls are not held (hold: false)', failed?.error)
    }
    if (this.#queue.size === 0) this.#watch.hurry()
    return this.#queue.wait(deadline, signal)
  }

  #deadline(errand: Errand<unknown>, waitFrom: number): number {
    const holdMs = this.#config.hold?.timeoutMs ?? FINDING_MS
    const callMs = errand.timeoutMs ?? Number.POSITIVE_INFINITY
    return Math.min(waitFrom + holdMs, errand.startedAt + callMs)
  }

  #left(
    errand: Errand<unknown>,
    waitFrom: number,
  ): { timeoutMs: number | undefined; waitMs: number } {
    const now = this.#config.clock.now()
    const { timeoutMs, startedAt } = errand
    return {
      timeoutMs: timeoutMs === undefined ? undefined : Math.max(1, startedAt + timeoutMs - now),
      waitMs: Math.max(1, this.#deadline(errand, waitFrom) - now),
    }
  }
}

function isReadOnlyRefusal(error: unknown): boolean {
  return (error as { code?: unknown } | undefined)?.code === '25006'
}
