import { AsyncResource } from 'node:async_hooks'
import type { Gap, ListenOptions, NotifyListener, Subscription } from '../api/subscription.js'
import type { Clock, ClockTimer } from '../base/clock.js'
import { realTimers } from '../base/real-timers.js'
import { unwatchSignal, watchSignal } from '../base/watch-signal.js'
import { AbortError } from '../outcome/errors.js'
import { failCall, type SettleCall } from '../outcome/fail-call.js'

/** What a subscriber asks of the listener it belongs to. */
export interface SubscriberHost {
  /** Time source. */
  readonly clock: Clock
  /** The error for a subscriber whose time is up before LISTEN was acknowledged. */
  tooLate(subscriber: ChannelSubscriber, waitedMs: number): Error
  /** The subscriber is closed. */
  left(subscriber: ChannelSubscriber): void
  /** Resolves when whatever the server has to be told is told. */
  told(): Promise<void>
  /** Code of the caller has thrown. */
  faulty(error: unknown): void
}

/** What a subscriber is made of. */
export interface SubscriberParts {
  /** The channel. */
  readonly channel: string
  /** Gets the notifications. */
  readonly onNotify: NotifyListener
  /** The options of the call, checked. */
  readonly options: ListenOptions
  /** Longest time until LISTEN is acknowledged, in milliseconds. */
  readonly timeoutMs: number
  /** Settles the caller's promise. */
  readonly resolve: ((subscription: Subscription) => void) & SettleCall
}

/**
 * - `waiting`: LISTEN has never been acknowledged; the caller waits for it
 * - `listening`: LISTEN is in effect
 * - `lost`: the session is gone; `since` is when the gap begins
 * - `closed`: nothing is called any more
 */
type State =
  | { readonly kind: 'waiting' }
  | { readonly kind: 'listening'; readonly from: number }
  | { readonly kind: 'lost'; readonly since: number; readonly reason: Error }
  | { readonly kind: 'closed' }

/**
 * One call of `listen`. Owns what is still to be told to the caller's functions, which run in
 * order, in the caller's own async context.
 */
export class ChannelSubscriber implements Subscription {
  readonly channel: string
  readonly #host: SubscriberHost
  readonly #parts: SubscriberParts
  readonly #context = new AsyncResource('PoolhouseSubscription', { requireManualDestroy: true })
  readonly #timer: ClockTimer
  readonly #onAbort: () => void
  #state: State = { kind: 'waiting' }
  // A caller that awaits `listen` must have its subscription in hand before anything is called.
  #mayTell = false
  #news: (() => unknown)[] = []

  /** Begins to wait. */
  constructor(host: SubscriberHost, parts: SubscriberParts) {
    this.#host = host
    this.#parts = parts
    this.channel = parts.channel
    const { clock } = host
    const startedAt = clock.now()
    this.#timer = clock.setTimer(
      () => clock.afterIo(() => this.#expire(clock.now() - startedAt)),
      parts.timeoutMs,
      { keepAlive: true },
    )
    const { signal } = parts.options
    this.#onAbort = () => this.end(new AbortError(signal!.reason, 'no'))
    watchSignal(signal, this.#onAbort)
  }

  get closed(): boolean {
    return this.#state.kind === 'closed'
  }

  get listening(): boolean {
    return this.#state.kind === 'listening'
  }

  /** Whether LISTEN has never been acknowledged. */
  get waiting(): boolean {
    return this.#state.kind === 'waiting'
  }

  /** LISTEN is in effect. */
  acknowledged(): void {
    const now = this.#host.clock.now()
    const state = this.#state
    if (state.kind === 'lost') {
      const { since, reason } = state
      const gap: Gap = Object.freeze({ channel: this.channel, forMs: now - since, reason })
      this.#tell(() => this.#parts.options.onGap?.(gap))
    } else if (state.kind === 'waiting') {
      this.#timer.cancel()
      this.#parts.resolve(this)
      this.#host.clock.afterIo(() => {
        this.#mayTell = true
        if (this.#news.length > 0) this.#tellSoon()
      })
    } else return
    this.#state = { kind: 'listening', from: now }
  }

  /** LISTEN is no longer in effect, and may not have been since `since`. */
  lost(since: number, reason: Error): void {
    const state = this.#state
    if (state.kind !== 'listening') return
    this.#state = { kind: 'lost', since: Math.max(since, state.from), reason }
  }

  /** The gap that is open has a better reason than the one it began with. */
  explain(reason: Error): void {
    if (this.#state.kind === 'lost') this.#state = { ...this.#state, reason }
  }

  /** A notification came. */
  notified(payload: string): void {
    this.#tell(() => this.#parts.onNotify(payload, this.channel))
  }

  /** Ends it. A caller who still waits for it gets the error. */
  end(error: Error): void {
    const { kind } = this.#state
    if (kind === 'closed') return
    this.#state = { kind: 'closed' }
    this.#timer.cancel()
    this.#news = []
    unwatchSignal(this.#parts.options.signal, this.#onAbort)
    if (kind === 'waiting') failCall(this.#parts.resolve, error)
    this.#host.left(this)
  }

  close(): Promise<void> {
    // No caller has it before it was acknowledged, so no caller sees this reason.
    this.end(new AbortError(undefined, 'no'))
    return this.#host.told()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #expire(waitedMs: number): void {
    if (this.waiting) this.end(this.#host.tooLate(this, waitedMs))
  }

  #tell(news: () => unknown): void {
    if (this.closed) return
    this.#news.push(news)
    if (this.#mayTell && this.#news.length === 1) this.#tellSoon()
  }

  #tellSoon(): void {
    this.#context.runInAsyncScope(() => realTimers.queueMicrotask(() => this.#tellNow()))
  }

  #tellNow(): void {
    const news = this.#news
    this.#news = []
    for (const tell of news) {
      if (this.closed) return
      try {
        const outcome = tell()
        // An async function is taken for one that returns nothing; what it rejects with must not
        // vanish either.
        if (outcome instanceof Promise) outcome.catch((error: unknown) => this.#host.faulty(error))
      } catch (error) {
        this.#host.faulty(error)
      }
    }
  }
}
