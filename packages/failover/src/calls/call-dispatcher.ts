import { AbortError, type ConnectionPool, InDoubtError, PoolClosedError } from '@poolhouse/core'
import { callFor, type EventHub, ownError, ownErrorHere, refusesWrites } from '@poolhouse/core/kit'
import { awaitUntil } from '../base/await-until.js'
import { isHint } from '../base/fate.js'
import type { HeldCalls } from '../judge/describe-change.js'
import type { FailoverConfig } from '../options/failover-options.js'
import type { TopologyWatch } from '../watch/topology-watch.js'
import type { Call, Decision } from './call.js'
import { HoldQueue } from './hold-queue.js'
import { RetryBudget } from './retry-budget.js'
import { SlowStart } from './slow-start.js'

/** A failure of a call on a node. */
export interface Failure {
  readonly pool: ConnectionPool
  readonly error: unknown
}

type Retry = Extract<Decision, { kind: 'retry' }>

// With `hold: false`, calls wait for the end of the first round of probes, at most this long.
const FIRST_ROUND_MS = 10_000
const PAUSE_BASE_MS = 5
// Short, so that a call that is aborted during the pause is not late.
const PAUSE_MOST_MS = 100
const NOT_HELD = 'and calls are not held (hold: false)'

/** Sends calls to the primary, holds them while there is none, and sends them again where safe. */
export class CallDispatcher {
  readonly #config: FailoverConfig
  readonly #watch: TopologyWatch
  readonly #hub: EventHub
  readonly #targetChanged: () => void
  readonly #queue: HoldQueue
  readonly #budget: RetryBudget
  readonly #slowStart: SlowStart
  // Grows with each change of the primary. A repetition after a change is free of charge.
  #primaryEpoch = 0
  #lastPrimary: ConnectionPool | undefined
  #hadPrimary = false
  #dispatching = 0
  #closed = false

  /** `targetChanged` is called whenever `target` may have changed. */
  constructor(
    config: FailoverConfig,
    watch: TopologyWatch,
    hub: EventHub,
    targetChanged: () => void,
  ) {
    this.#config = config
    this.#watch = watch
    this.#hub = hub
    this.#targetChanged = targetChanged
    this.#budget = new RetryBudget(config.retryBudget)
    this.#queue = new HoldQueue(config, hub, watch)
    this.#slowStart = new SlowStart(config, this.#queue, targetChanged)
  }

  /** The calls that wait for a primary; undefined if there are none. */
  get held(): HeldCalls | undefined {
    return this.#queue.held
  }

  /**
   * How many calls are held, pause before a retry, or were sent after either. Calls that went
   * straight to a primary are not counted.
   */
  get dispatching(): number {
    return this.#dispatching
  }

  /**
   * The primary, if calls may go straight to it. Undefined while they have to wait for a primary or
   * to queue behind calls that have waited.
   */
  get target(): ConnectionPool | undefined {
    return this.#closed || this.#slowStart.pool !== undefined ? undefined : this.#openPrimary
  }

  /** Holds every call from now on, even while there is a primary. */
  pause(reason: string): void {
    this.#queue.setPause(reason)
    this.#slowStart.stop()
    this.#targetChanged()
  }

  /** Ends `pause`: held calls go to the primary, now or as soon as there is one. */
  unpause(): void {
    this.#queue.setPause(undefined)
    this.topologyChanged()
  }

  get #openPrimary(): ConnectionPool | undefined {
    return this.#queue.isPaused ? undefined : this.#watch.primary
  }

  /** Counts a call that a caller made at this client time, for the retry budget. */
  count(now: number): void {
    this.#budget.count(now)
  }

  /**
   * The primary, now or as soon as there is one. Rejects as a call does: when `deadline` has
   * passed, or at once where calls are not held.
   */
  async primary(deadline: number, signal: AbortSignal | undefined): Promise<ConnectionPool> {
    return await this.#primaryFor(signal, deadline, undefined)
  }

  /** Releases or rejects held calls after a change of the topology. */
  topologyChanged(): void {
    if (this.#watch.primary !== this.#lastPrimary) this.#primaryEpoch++
    this.#lastPrimary = this.#watch.primary
    if (!this.#queue.isPaused && !this.#closed) this.#releaseOrRefuse()
    this.#targetChanged()
  }

  /** Rejects the `listen` calls that are held: the pool closes, which would end a subscription. */
  refuseListening(): void {
    this.#queue.refuseListening(() => new PoolClosedError(this.#config.name))
  }

  /** Rejects the calls that are held, and every later one. */
  close(): void {
    this.#closed = true
    this.#slowStart.stop()
    this.#queue.refuse(() => new PoolClosedError(this.#config.name))
  }

  #releaseOrRefuse(): void {
    const { primary, blocked, isFirstRound } = this.#watch
    if (primary !== undefined) {
      this.#release(primary)
      return
    }
    this.#slowStart.stop()
    this.#queue.stay()
    if (blocked !== undefined) {
      this.#queue.refuse(() => ownError(blocked))
    } else if (this.#config.hold === undefined && !isFirstRound) {
      this.#queue.refuse(() => this.#queue.noPrimary(NOT_HELD))
    }
  }

  #release(primary: ConnectionPool): void {
    const reason = `"${primary.name}" is primary`
    // When this process has just started, the primary was not away and needs no slow start.
    if (!this.#hadPrimary) this.#queue.release(primary, reason)
    else if (this.#queue.size > 0) this.#slowStart.begin(primary, reason)
    this.#hadPrimary = true
  }

  /**
   * Sends the call to the primary, now or as soon as there is one, and again as long as that is
   * safe and its time is not over. `failure` is what a first attempt has met already.
   */
  async dispatch<R>(call: Call<R>, failure?: Failure): Promise<R> {
    let failed = failure
    let waitFrom = call.startedAt
    this.#dispatching++
    try {
      for (let sent = failure === undefined ? 0 : 1; ; sent++) {
        let decision: Retry | undefined
        const epoch = this.#primaryEpoch
        if (failed !== undefined) {
          decision = this.#retryOrThrow(call, failed)
          if (decision.isRerun) waitFrom = this.#config.clock.now()
          await this.#pauseBeforeRetry(call, failed, sent, this.#deadline(call, waitFrom))
        }
        const { signal, isListening } = call
        const next = (): ConnectionPool | Promise<ConnectionPool> =>
          this.#primaryFor(signal, this.#deadline(call, waitFrom), failed, isListening)
        let pool = await next()
        // The primary may have changed again since the held call was released.
        while (pool !== this.#openPrimary) pool = await next()
        if (epoch !== this.#primaryEpoch) call.primaryChanged()
        if (decision?.costs === true && epoch === this.#primaryEpoch && pool === failed?.pool) {
          if (!this.#budget.spend(this.#config.clock.now())) throw decision.error
        }
        const left = this.#left(call, waitFrom)
        if (failed !== undefined) this.#hub.calls?.retried(this.#config.name)
        try {
          return await callFor(call.party, () => call.send(pool, left.timeoutMs, left.waitMs))
        } catch (error) {
          failed = { pool, error }
        }
      }
    } catch (caught) {
      const error = call.finalError(caught)
      if (error instanceof InDoubtError && failed !== undefined && this.#hub.has('in-doubt')) {
        this.#hub.emit('in-doubt', { pool: this.#config.name, node: failed.pool.name, error })
      }
      throw error
    } finally {
      this.#dispatching--
    }
  }

  /** How to send the call again. Throws the error for the caller if that is not safe. */
  #retryOrThrow(call: Call<unknown>, { pool, error }: Failure): Retry {
    if (isHint(error) && !(call.isReadOnly && refusesWrites(error))) {
      this.#watch.hint(pool.name)
    }
    const decision = call.decide(error, pool)
    if (decision.kind === 'surface') throw decision.error
    return decision
  }

  /**
   * Probes a node that failed before it may get the call again, and pauses if it gets the call more
   * often than that.
   */
  async #pauseBeforeRetry(
    call: Call<unknown>,
    { pool, error }: Failure,
    sent: number,
    deadline: number,
  ): Promise<void> {
    const { clock, random } = this.#config
    const { signal } = call
    if (this.#watch.primary !== pool) return
    if (isHint(error)) await awaitUntil(clock, deadline, signal, this.#watch.probe(pool.name))
    if (this.#watch.primary !== pool || (sent < 2 && isHint(error))) return
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
    if (this.#openPrimary !== undefined) {
      // The time is over, and the error of the last attempt says more than "no time is left".
      if (failed !== undefined && this.#config.clock.now() >= deadline) throw failed.error
      return this.target ?? this.#queue.wait(deadline, signal, isListening)
    }
    if (this.#queue.isPaused) return this.#queue.wait(deadline, signal, isListening)
    const { blocked, isFirstRound } = this.#watch
    if (blocked !== undefined) throw ownErrorHere(blocked)
    if (this.#config.hold === undefined && !isFirstRound) {
      throw this.#queue.noPrimary(NOT_HELD, failed?.error)
    }
    if (this.#queue.size === 0) this.#watch.hurry()
    return this.#queue.wait(deadline, signal, isListening)
  }

  #deadline(call: Call<unknown>, waitFrom: number): number {
    const holdMs = this.#config.hold?.timeoutMs ?? FIRST_ROUND_MS
    const callMs = call.timeoutMs ?? Number.POSITIVE_INFINITY
    return Math.min(waitFrom + holdMs, call.startedAt + callMs)
  }

  #left(call: Call<unknown>, waitFrom: number): { timeoutMs: number | undefined; waitMs: number } {
    const now = this.#config.clock.now()
    const { timeoutMs, startedAt } = call
    return {
      timeoutMs: timeoutMs === undefined ? undefined : Math.max(1, startedAt + timeoutMs - now),
      waitMs: Math.max(1, this.#deadline(call, waitFrom) - now),
    }
  }
}
