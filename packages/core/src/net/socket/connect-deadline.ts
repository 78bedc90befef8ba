import { performance } from 'node:perf_hooks'
import { type ClockTimer, systemClock } from '../../base/clock.js'

/** The deadline of a connect passed: the `cause` of its `ConnectError`. */
export class ConnectDeadlineError extends Error {
  /** Names the limit in milliseconds and how far it came. */
  constructor(timeoutMs: number, reached: boolean) {
    super(
      `it took longer than ${Math.round(timeoutMs)} ms; ` +
        (reached
          ? 'the server was reached but did not answer in time'
          : 'the server was not reached'),
    )
  }
}

/**
 * One deadline and the caller's signal for a connect, which takes one step after the other. When
 * the time has passed the event loop first reads its sockets once: after a stall of this process an
 * answer that came in time is believed, and not the clock. Not an `AbortSignal`, of which each
 * listener costs more than a step.
 */
export class ConnectDeadline implements Disposable {
  /** Whether the server was reached, for the message. */
  reached: boolean = false
  readonly #signal: AbortSignal | undefined
  readonly #timer: ClockTimer
  #onEnd: (() => void) | undefined
  #ended = false
  #disposed = false
  #reason: unknown

  /**
   * `timeoutMs` is counted from `startedAt`, a value of `performance.now()`. It keeps the process
   * alive until it has passed or was disposed of.
   */
  constructor(
    timeoutMs: number,
    signal: AbortSignal | undefined,
    startedAt: number = performance.now(),
  ) {
    this.#signal = signal
    this.#timer = systemClock.setTimer(
      () => systemClock.afterIo(() => this.#end(new ConnectDeadlineError(timeoutMs, this.reached))),
      startedAt + timeoutMs - performance.now(),
      { keepAlive: true },
    )
    if (signal?.aborted === true) this.#onAbort()
    else signal?.addEventListener('abort', this.#onAbort)
  }

  /** Whether the connect must end. */
  get ended(): boolean {
    return this.#ended
  }

  /** Why it must: a `ConnectDeadlineError`, or the reason of the caller's signal. */
  get reason(): unknown {
    return this.#reason
  }

  /**
   * Calls `listener` when the connect must end, now if it must already: then it returns false. It
   * takes the place of the step before, which is over.
   */
  watch(listener: () => void): boolean {
    if (this.#ended) listener()
    else this.#onEnd = listener
    return !this.#ended
  }

  /** The step that watched is over. */
  unwatch(): void {
    this.#onEnd = undefined
  }

  /** The connect is over, in time. */
  [Symbol.dispose](): void {
    this.#disposed = true
    this.#onEnd = undefined
    this.#forget()
  }

  readonly #onAbort = (): void => this.#end(this.#signal?.reason)

  #end(reason: unknown): void {
    if (this.#ended || this.#disposed) return
    this.#ended = true
    this.#reason = reason
    this.#forget()
    const onEnd = this.#onEnd
    this.#onEnd = undefined
    onEnd?.()
  }

  #forget(): void {
    this.#timer.cancel()
    this.#signal?.removeEventListener('abort', this.#onAbort)
  }
}
