import {
  AbortError,
  AcquireTimeoutError,
  type Clock,
  type ClockTimer,
  type PoolGauges,
  PoolOverloadedError,
} from '@poolhouse/core'
import { failCall, unwatchSignal, watchSignal } from '@poolhouse/core/kit'

/** The limits of one tenant. */
export interface GateLimits {
  /** Most calls under way. */
  readonly max: number
  /** Most waiting calls. */
  readonly maxPending: number
  /** Longest wait of a call without its own limit, in milliseconds. */
  readonly timeoutMs: number
}

interface Waiter {
  enter(): void
}

/** Limits the calls of one tenant on a shared pool. Waiting calls are served in order. */
export class TenantGate {
  readonly #name: string
  readonly #clock: Clock
  readonly #limits: GateLimits
  // In order of arrival.
  readonly #waiters = new Set<Waiter>()
  #inside = 0

  /** `name` is the tenant, for messages. */
  constructor(name: string, clock: Clock, limits: GateLimits) {
    this.#name = name
    this.#clock = clock
    this.#limits = limits
  }

  /** Calls under way plus waiting calls. */
  get size(): number {
    return this.#inside + this.#waiters.size
  }

  /**
   * Runs `work` when it is its turn, with what is left of `timeoutMs`. Without having called
   * `work`, rejects with `PoolOverloadedError` if too many calls wait, with `AcquireTimeoutError`
   * after `timeoutMs`, and with `AbortError` when the signal fires.
   */
  async run<R>(
    call: { timeoutMs?: number | undefined; signal?: AbortSignal | undefined },
    work: (timeoutMs: number | undefined) => Promise<R>,
  ): Promise<R> {
    const startedAt = this.#clock.now()
    if (this.#inside < this.#limits.max) this.#inside++
    else await this.#turn(call.timeoutMs ?? this.#limits.timeoutMs, call.signal)
    try {
      const { timeoutMs } = call
      const waited = this.#clock.now() - startedAt
      return await work(timeoutMs === undefined ? undefined : Math.max(1, timeoutMs - waited))
    } finally {
      this.#leave()
    }
  }

  #leave(): void {
    for (const waiter of this.#waiters) {
      // Hands its place to the next call.
      waiter.enter()
      return
    }
    this.#inside--
  }

  #turn(timeoutMs: number, signal: AbortSignal | undefined): Promise<void> {
    const { maxPending } = this.#limits
    if (signal?.aborted) return Promise.reject(new AbortError(signal.reason, 'no'))
    if (this.#waiters.size >= maxPending) {
      return Promise.reject(new PoolOverloadedError(`maxPending is ${maxPending}`, this.#gauges()))
    }
    return new Promise((resolve) => {
      const end = (settle: () => void): void => {
        this.#waiters.delete(waiter)
        timer.cancel()
        unwatchSignal(signal, onAbort)
        settle()
      }
      const waiter: Waiter = { enter: () => end(resolve) }
      const fail = (error: Error): void => end(() => failCall(resolve, error))
      const onAbort = (): void => fail(new AbortError(signal!.reason, 'no'))
      const late = (): void => fail(new AcquireTimeoutError(timeoutMs, this.#gauges()))
      const timer: ClockTimer = this.#clock.setTimer(late, timeoutMs, { keepAlive: true })
      watchSignal(signal, onAbort)
      this.#waiters.add(waiter)
    })
  }

  #gauges(): PoolGauges {
    const { max } = this.#limits
    const pending = this.#waiters.size
    const pool = this.#name
    return {
      pool,
      endpoint: pool,
      total: this.#inside,
      idle: 0,
      leased: this.#inside,
      connecting: 0,
      pending,
      max,
    }
  }
}
