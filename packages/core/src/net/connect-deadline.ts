import { performance } from 'node:perf_hooks'
import { systemClock } from '../clock.js'

/** The deadline of a connect passed. */
class ConnectDeadlineError extends Error {
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
 * One deadline and the caller's signal in one signal. When the time has passed the event loop first reads its sockets
 * once: after a stall of this process an answer that came in time is believed, and not the clock.
 */
export class ConnectDeadline implements Disposable {
  /** Aborted with a `ConnectDeadlineError` or with the reason of the caller's signal. */
  readonly signal: AbortSignal
  /** Whether the server was reached, for the message. */
  reached: boolean = false
  readonly #end: () => void

  /**
   * `timeoutMs` is counted from `startedAt`, a value of `performance.now()`. It keeps the process alive until it has passed or was disposed of.
   */
  constructor(
    timeoutMs: number,
    signal: AbortSignal | undefined,
    startedAt: number = performance.now(),
  ) {
    const abort = new AbortController()
    this.signal = abort.signal
    const onAbort = (): void => abort.abort(signal?.reason)
    if (signal?.aborted === true) onAbort()
    else signal?.addEventListener('abort', onAbort, { once: true })
    let over = false
    const timer = systemClock.setTimer(
      () =>
        systemClock.afterIo(() => {
          if (!over) abort.abort(new ConnectDeadlineError(timeoutMs, this.reached))
        }),
      startedAt + timeoutMs - performance.now(),
      { keepAlive: true },
    )
    this.#end = () => {
      over = true
      timer.cancel()
      signal?.removeEventListener('abort', onAbort)
    }
  }

  /** The work is over, in time. */
  [Symbol.dispose](): void {
    this.#end()
  }
}
