import { AbortError, type ConnectionPool, InDoubtError, PoolClosedError } from '@poolhouse/core'
import { type EventHub, ownError, refusesWrites } from '@poolhouse/core/kit'
import { awaitUntil } from '../base/await-until.js'
import { isSign } from '../base/fate.js'
import type { FailoverConfig } from '../options/failover-options.js'
import type { TopologyWatch } from '../watch/topology-watch.js'
import type { Decision, Errand } from './call.js'
import { HoldQueue } from './hold-queue.js'
import { RetryBudget } from './retry-budget.js'
import { SlowStart } from './slow-start.js'

/** A failure on a node. */
export interface Failure {
  readonly pool: ConnectionPool
  readonly error: unknown
}

type Again = Extract<Decision, { kind: 'again' }>

// While the first round of probes is under way even calls that must not be held wait for its end.
const FINDING_MS = 10_000
const FINDING_CALLS = 1_000
const PAUSE_BASE_MS = 5
// Short enough that a call which is aborted or closed meanwhile is not late.
const PAUSE_MOST_MS = 100

/**
 * Carries errands to whoever is primary: holds them while nobody is, and sends them again where
 * that is safe.
 */
export class Courier {
  readonly #config: FailoverConfig
  readonly #watch: TopologyWatch
  readonly #hub: EventHub
  readonly #queue: HoldQueue
  readonly #budget: RetryBudget
  // Grows whenever another server is primary, or none; what is sent again after that comes out of
  // no budget.
  #reign = 0
  #lastPrimary: ConnectionPool | undefined
  readonly #slowStart: SlowStart
  // Why everything is held although there may be a primary.
  #pause: string | undefined
  #hadPrimary = false
  #carrying = 0
  #closed = false

  /**
   * Shares the watch and the hub of the pool. `opened` is called when calls that were queued behind
   * others need not be any more.
   */
  constructor(config: FailoverConfig, watch: TopologyWatch, hub: EventHub, opened: () => void) {
    this.#config = config
    this.#watch = watch
    this.#hub = hub
    this.#budget = new RetryBudget(config.retryBudget)
    this.#queue = new HoldQueue({
      name: config.name,
      clock: config.clock,
      hub,
      maxCalls: config.hold?.maxCalls ?? FINDING_CALLS,
      describe: () => {
        const nodes = watch.describe()
        return this.#pause === undefined ? nodes : `${this.#pause}; ${nodes}`
      },
    })
    const { clock, random } = config
    this.#slowStart = new SlowStart({ clock, random, queue: this.#queue, finished: opened })
  }

  /** Calls that wait for a primary. */
  get held(): number {
    return this.#queue.size
  }

  /**
   * Calls that wait, pause, or have been sent after that. What went straight to a primary is not
   * among them.
   */
  get carrying(): number {
    return this.#carrying
  }

  /** How long the first of them has waited, in milliseconds. */
  get heldMs(): number | undefined {
    return this.#queue.heldMs
  }

  /**
   * Where calls may go without asking: undefined while they have to wait or to queue behind others
   * that did.
   */
  get target(): ConnectionPool | undefined {
    return this.#closed || this.#slowStart.pool !== undefined ? undefined : this.#open
  }

  /** Holds everything from now on, even while there is a primary. */
  pause(reason: string): void {
    this.#pause = reason
    this.#slowStart.stop()
  }

  /** Ends `pause`: what is held goes to whoever is primary, now or later. */
  unpause(): void {
    this.#pause = undefined
    this.topologyChanged()
  }

  get #open(): ConnectionPool | undefined {
    return this.#pause === undefined ? this.#watch.primary : undefined
  }

  /** A caller made a call, which adds to the retry budget. */
  count(now: number): void {
    this.#budget.count(now)
  }

  /**
   * The primary, now or when there is one. Rejects as a call does that may not wait, or has waited
   * until `deadline`.
   */
  async primary(deadline: number, signal: AbortSignal | undefined): Promise<ConnectionPool> {
    return await this.#primaryFor(signal, deadline, undefined)
  }

  /** The view has changed: whoever waits goes on, or learns that waiting is pointless. */
  topologyChanged(): void {
    if (this.#watch.primary !== this.#lastPrimary) this.#reign++
    this.#lastPrimary = this.#watch.primary
    if (this.#pause !== undefined || this.#closed) return
    const { primary, blocked, finding } = this.#watch
    if (primary !== undefined) {
      this.#release(primary)
      return
    }
    this.#slowStart.stop()
    this.#queue.stay()
    if (blocked !== undefined) {
      this.#queue.refuse(() => ownError(blocked))
    } else if (this.#config.hold === undefined && !finding) {
      this.#queue.refuse(() => this.#queue.noPrimary('and calls are not held (hold: false)'))
    }
  }

  /** Refuses the calls that wait to listen: what they would get is about to end. */
  refuseListening(): void {
    this.#queue.refuseListening(() => new PoolClosedError(this.#config.name))
  }

  /** Refuses the calls that wait and every later one. */
  close(): void {
    this.#closed = true
    this.#slowStart.stop()
    this.#queue.refuse(() => new PoolClosedError(this.#config.name))
  }

  #release(primary: ConnectionPool): void {
    const reason = `"${primary.name}" is primary`
    // Who starts has not been away: there is nothing to be gentle to.
    if (!this.#hadPrimary) this.#queue.release(primary, reason)
    else if (this.#queue.size > 0) this.#slowStart.begin(primary, reason)
    this.#hadPrimary = true
  }

  /**
   * Sends the errand to the primary, now or when there is one, and again as long as that is safe
   * and its time has not run out. `failure` is what a first attempt has met already.
   */
  async carry<R>(errand: Errand<R>, failure?: Failure): Promise<R> {
    let failed = failure
    let waitFrom = errand.startedAt
    this.#carrying++
    try {
      for (let sent = failure === undefined ? 0 : 1; ; sent++) {
        let decision: Again | undefined
        const reign = this.#reign
        if (failed !== undefined) {
          decision = this.#mayGoAgain(errand, failed)
          if (decision.rerun) waitFrom = this.#config.clock.now()
          await this.#beforeNext(errand, failed, sent, this.#deadline(errand, waitFrom))
        }
        const { signal, isListening } = errand
        const next = (): ConnectionPool | Promise<ConnectionPool> =>
          this.#primaryFor(signal, this.#deadline(errand, waitFrom), failed, isListening)
        let pool = await next()
        // Between the release of a held call and this line the next news may have come.
        while (pool !== this.#open) pool = await next()
        if (decision?.costs === true && reign === this.#reign && pool === failed?.pool) {
          if (!this.#budget.spend(this.#config.clock.now())) throw decision.error
        }
        const left = this.#left(errand, waitFrom)
        try {
          return await errand.send(pool, left.timeoutMs, left.waitMs)
        } catch (error) {
          failed = { pool, error }
        }
      }
    } catch (caught) {
      const error = errand.surfaced(caught)
      if (error instanceof InDoubtError && failed !== undefined && this.#hub.has('in-doubt')) {
        this.#hub.emit('in-doubt', { pool: this.#config.name, node: failed.pool.name, error })
      }
      throw error
    } finally {
      this.#carrying--
    }
  }

  /** Throws what the caller must learn. */
  #mayGoAgain(errand: Errand<unknown>, { pool, error }: Failure): Again {
    if (isSign(error) && !(errand.isReadOnly && refusesWrites(error))) {
      this.#watch.hint(pool.name)
    }
    const decision = errand.decide(error, pool)
    if (decision.kind === 'surface') throw decision.error
    return decision
  }

  /**
   * A node that failed is looked at before it gets the work again; and it does not get it again and
   * again without a pause.
   */
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
    signal: AbortSignal | undefined,
    deadline: number,
    failed: Failure | undefined,
    isListening = false,
  ): ConnectionPool | Promise<ConnectionPool> {
    if (this.#closed) throw new PoolClosedError(this.#config.name)
    if (signal?.aborted) throw new AbortError(signal.reason, 'no')
    const open = this.#open
    if (open !== undefined) {
      // The time is up, and the reason is better known than "no time".
      if (failed !== undefined && this.#config.clock.now() >= deadline) throw failed.error
      return this.target ?? this.#queue.wait(deadline, signal, isListening)
    }
    if (this.#pause !== undefined) return this.#queue.wait(deadline, signal, isListening)
    const { blocked, finding } = this.#watch
    if (blocked !== undefined) throw ownError(blocked)
    if (this.#config.hold === undefined && !finding) {
      throw this.#queue.noPrimary('and calls are not held (hold: false)', failed?.error)
    }
    if (this.#queue.size === 0) this.#watch.hurry()
    return this.#queue.wait(deadline, signal, isListening)
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
