import { AsyncResource } from 'node:async_hooks'
import {
  checkListenArguments,
  type ListenOptions,
  type NotifyListener,
  type Subscription,
} from '../api/subscription.js'
import { Backoff } from '../base/backoff.js'
import type { Clock, ClockTimer } from '../base/clock.js'
import { MAX_MS } from '../base/clock.js'
import { messageOf } from '../base/message-of.js'
import { describeName } from '../base/option-check.js'
import { ownError } from '../base/own-error.js'
import { endsSession } from '../outcome/error-meaning.js'
import {
  AbortError,
  ConnectError,
  ConnectionLostError,
  PoolClosedError,
} from '../outcome/errors.js'
import { PoolhouseError } from '../outcome/poolhouse-error.js'
import { ChannelLine } from './channel-line.js'
import type { ChannelSource } from './channel-source.js'
import { ChannelSubscriber, type SubscriberHost } from './channel-subscriber.js'

const APPLICATION_NAME = 'poolhouse-listen'
// Also how long a dead line may stay open (a NAT box forgot it) before it is checked.
const CHECK_EVERY_MS = 10_000
const CHECK_SPREAD = 0.2

/**
 * A building block for pools: keeps one session that listens to every channel with a subscriber,
 * and replaces it when it is lost. It opens the session with the first subscription and closes it
 * after the last. Owns the session and the list of channels.
 *
 * One worker compares what is in effect with what is wanted and does the next thing that brings
 * them together, so that neither two sessions nor two questions are ever under way. News only
 * change what is wanted, and wake it.
 */
export class ChannelListener implements SubscriberHost {
  readonly clock: Clock
  readonly #source: ChannelSource
  // The session and its timers must not run in the async context of the request that subscribed.
  readonly #context = new AsyncResource('PoolhouseListener', { requireManualDestroy: true })
  // A channel is in here while it has subscribers.
  readonly #channels = new Map<string, Set<ChannelSubscriber>>()
  readonly #backoff: Backoff
  #line: ChannelLine | undefined
  // When the line must prove itself again; without a line, when another is opened.
  #dueAt = 0
  #attempt: AbortController | undefined
  #lastError: unknown
  #working: Promise<void> | undefined
  #wake: (() => void) | undefined
  // Those who wait until the server knows that they have left.
  #leaving: (() => void)[] = []
  #closed = false

  /** Opens nothing before the first subscription. */
  constructor(source: ChannelSource) {
    this.#source = source
    this.clock = source.clock
    this.#backoff = new Backoff({ baseMs: 50, maxMs: 5_000, random: source.random })
  }

  /** As `Pool.listen`. */
  listen(
    channel: string,
    onNotify: NotifyListener,
    options: ListenOptions = {},
  ): Promise<Subscription> {
    return new Promise((resolve) => {
      checkListenArguments(channel, onNotify, options)
      if (this.#closed) throw new PoolClosedError(this.#source.name)
      if (options.signal?.aborted) throw new AbortError(options.signal.reason, 'no')
      const timeoutMs = options.timeoutMs ?? this.#source.timeoutMs()
      const parts = { channel, onNotify, options: { ...options }, timeoutMs, resolve }
      const subscriber = new ChannelSubscriber(this, parts)
      const others = this.#channels.get(channel)
      if (others === undefined) this.#channels.set(channel, new Set([subscriber]))
      else others.add(subscriber)
      const line = this.#line
      if (line?.channels.has(channel) && !line.session.closed) subscriber.acknowledged()
      else this.#nudge()
    })
  }

  /**
   * Leaves the session politely for a new one. Every subscriber is told this reason of its gap,
   * also if the gap has begun before.
   */
  move(reason: Error): void {
    const line = this.#leave(reason)
    if (line !== undefined) void this.#hangUp(line)
  }

  /** As `move`, for a session that is not to be believed any more: breaks it at once. */
  drop(reason: Error): void {
    this.#leave(reason)?.session.destroy(messageOf(reason))
  }

  /**
   * The session must prove itself now: there is reason to doubt connections that have been idle.
   */
  suspect(): void {
    if (this.#line === undefined) return
    this.#dueAt = 0
    this.#wake?.()
  }

  /** Closes every subscription. Resolves when the session is closed; idempotent. */
  async close(): Promise<void> {
    this.#closed = true
    for (const subscriber of this.#subscribers()) {
      subscriber.end(new PoolClosedError(this.#source.name))
    }
    await this.#working
  }

  // ── what subscribers ask ──

  tooLate({ channel }: ChannelSubscriber, waitedMs: number): Error {
    const cause = this.#lastError
    const last = cause instanceof Error ? `; last failure: ${cause.message}` : ''
    const endpoint = this.#source.endpoint()
    return new ConnectError(
      `pool "${this.#source.name}" could not listen to channel ${describeName(channel)} on ${endpoint} within ${Math.round(waitedMs)} ms${last}`,
      { endpoint, cause },
    )
  }

  left(subscriber: ChannelSubscriber): void {
    const { channel } = subscriber
    const others = this.#channels.get(channel)
    others?.delete(subscriber)
    if (others?.size === 0) this.#channels.delete(channel)
    if (this.#channels.size === 0) this.#attempt?.abort(new Error('the last subscriber has left'))
    this.#wake?.()
  }

  told(): Promise<void> {
    const nothingToTell = this.#line === undefined && this.#channels.size > 0
    if (this.#working === undefined || nothingToTell) return Promise.resolve()
    return new Promise((resolve) => {
      this.#leaving.push(resolve)
      this.#wake?.()
    })
  }

  faulty(error: unknown): void {
    if (this.#source.hub.has('error')) this.#report(error)
    else process.emitWarning(error instanceof Error ? error : String(error))
  }

  // ── news ──

  #notified(line: ChannelLine | undefined, channel: string, payload: string): void {
    if (line === undefined || line !== this.#line || !line.hears(channel)) return
    for (const subscriber of this.#channels.get(channel) ?? []) {
      subscriber.acknowledged()
      subscriber.notified(payload)
    }
  }

  /** The session is over, or as good as that. */
  #lost(line: ChannelLine, reason: unknown): void {
    if (line !== this.#line) return
    const { name } = this.#source
    const error = new ConnectionLostError(
      `the connection on which pool "${name}" listens is gone: ${messageOf(reason)}`,
      { executed: 'no', cause: reason },
    )
    this.#line = undefined
    line.session.destroy(messageOf(error))
    // It may have been closed with the pool before the worker came to it.
    if (this.#channels.size > 0) this.#failed(error)
    for (const subscriber of this.#subscribers()) subscriber.lost(line.provedAt, error)
    this.#wake?.()
  }

  #leave(reason: Error): ChannelLine | undefined {
    const line = this.#line
    this.#line = undefined
    this.#attempt?.abort(reason)
    this.#dueAt = 0
    this.#backoff.reset()
    for (const subscriber of this.#subscribers()) {
      if (line !== undefined) subscriber.lost(line.provedAt, reason)
      subscriber.explain(reason)
    }
    this.#wake?.()
    return line
  }

  #failed(error: unknown): void {
    this.#lastError = error
    this.#dueAt = this.clock.now() + this.#backoff.next()
    // The caller that closed the pool knows.
    if (!(error instanceof PoolClosedError)) this.#report(error)
  }

  #report(error: unknown): void {
    this.#source.hub.emit('error', { pool: this.#source.name, error })
  }

  #subscribers(): ChannelSubscriber[] {
    return [...this.#channels.values()].flatMap((subscribers) => [...subscribers])
  }

  // ── the worker ──

  #nudge(): void {
    if (this.#working === undefined) {
      this.#dueAt = 0
      this.#working = this.#context.runInAsyncScope(() => this.#work())
    } else this.#wake?.()
  }

  async #work(): Promise<void> {
    for (;;) {
      const line = this.#line
      if (line === undefined) {
        this.#allTold()
        if (this.#channels.size === 0) break
        if (this.clock.now() < this.#dueAt) await this.#sleep(true)
        else await this.#open()
      } else if (this.#channels.size > 0) {
        await this.#tend(line)
      } else {
        this.#line = undefined
        await this.#hangUp(line)
      }
    }
    this.#working = undefined
    this.#lastError = undefined
    this.#backoff.reset()
  }

  async #open(): Promise<void> {
    const attempt = new AbortController()
    this.#attempt = attempt
    // The source may wait for a server with nothing that would keep the process running.
    const vigil = this.clock.setTimer(() => {}, MAX_MS, { keepAlive: true })
    let line: ChannelLine | undefined
    try {
      const session = await this.#source.openSession({
        applicationName: APPLICATION_NAME,
        signal: attempt.signal,
        onNotification: (channel, payload) => this.#notified(line, channel, payload),
      })
      line = new ChannelLine(session, this.clock)
      if (attempt.signal.aborted) await this.#hangUp(line)
      else this.#adopt(line)
    } catch (error) {
      if (!attempt.signal.aborted) this.#notOpened(error)
    }
    vigil.cancel()
    this.#attempt = undefined
  }

  #notOpened(error: unknown): void {
    this.#failed(error)
    const isFinal = this.#source.isFinal?.(error) ?? (error instanceof ConnectError && error.fatal)
    if (!isFinal && !(error instanceof PoolClosedError)) return
    // A retry is pointless, except for subscribers that were served before.
    for (const subscriber of this.#subscribers()) {
      if (subscriber.waiting) subscriber.end(ownError(error as Error))
    }
  }

  #adopt(line: ChannelLine): void {
    const { session } = line
    this.#line = line
    this.#checkLater()
    // A process that only waits for notifications has nothing else that keeps it running.
    session.keepAlive(true)
    const { signal } = session
    if (signal.aborted) this.#lost(line, signal.reason)
    else signal.addEventListener('abort', () => this.#lost(line, signal.reason), { once: true })
  }

  async #hangUp({ session }: ChannelLine): Promise<void> {
    try {
      await session.close()
    } catch (error) {
      session.destroy('it could not be closed')
      this.#report(error)
    }
  }

  /**
   * Brings the session to where it is wanted; if it is there already, waits for news and makes it
   * prove itself now and then.
   */
  async #tend(line: ChannelLine): Promise<void> {
    try {
      const missing = [...this.#channels.keys()].filter((channel) => !line.channels.has(channel))
      for (const channel of missing) {
        if (line === this.#line && this.#channels.has(channel)) await this.#subscribe(line, channel)
      }
      const needless = [...line.channels].filter((channel) => !this.#channels.has(channel))
      for (const channel of needless) {
        if (line === this.#line && !this.#channels.has(channel)) await line.unsubscribe(channel)
      }
      // What was asked took time, and the answer may be about yesterday.
      if (line !== this.#line || missing.length > 0 || needless.length > 0) return
      this.#allTold()
      if (this.clock.now() < this.#dueAt) {
        await this.#sleep(false)
      } else {
        await line.check()
        if (line !== this.#line) return
        this.#checkLater()
        this.#backoff.reset()
      }
    } catch (error) {
      this.#lost(line, error)
    }
  }

  async #subscribe(line: ChannelLine, channel: string): Promise<void> {
    try {
      await line.subscribe(channel)
    } catch (error) {
      const refused = error instanceof PoolhouseError && !endsSession(error)
      if (line !== this.#line || !refused) throw error
      for (const subscriber of this.#channels.get(channel) ?? []) {
        if (subscriber.waiting) subscriber.end(ownError(error as Error))
      }
      // Those who have listened before are owed another try, elsewhere or later.
      if (this.#channels.has(channel)) throw error
      return
    }
    if (line !== this.#line) return
    for (const subscriber of this.#channels.get(channel) ?? []) subscriber.acknowledged()
  }

  #checkLater(): void {
    const factor = 1 - CHECK_SPREAD + 2 * CHECK_SPREAD * this.#source.random()
    this.#dueAt = this.clock.now() + CHECK_EVERY_MS * factor
  }

  #allTold(): void {
    for (const resolve of this.#leaving.splice(0)) resolve()
  }

  /** Until something is due, or something has happened. */
  async #sleep(keepAlive: boolean): Promise<void> {
    let timer: ClockTimer | undefined
    await new Promise<void>((resolve) => {
      this.#wake = resolve
      timer = this.clock.setTimer(resolve, this.#dueAt - this.clock.now(), { keepAlive })
    })
    timer?.cancel()
    this.#wake = undefined
  }
}
