import { AsyncResource } from 'node:async_hooks'
import { type Clock, type ClockTimer, PoolClosedError } from '@poolhouse/core'
import { EventHub, unwatchSignal, watchSignal } from '@poolhouse/core/kit'

/**
 * What the parts of a routing pool share: its name, events, clock and whether it is closing.
 *
 * Timers and background tasks run in the pool's own async context, so that they do not keep that of
 * a caller. By default they do not keep the process alive. What fails in a task is reported as an
 * `error` event.
 */
export class Background {
  /** Events of the pool. */
  readonly hub: EventHub = new EventHub()
  /** Name of the pool, for events and errors. */
  readonly name: string
  readonly #context = new AsyncResource('PoolhouseReplicas', { requireManualDestroy: true })
  /** Source of time, also after the pool has closed. */
  readonly clock: Clock
  readonly #stop = new AbortController()
  // `closing` refuses new calls and still serves the others.
  #state: 'open' | 'closing' | 'stopped' = 'open'

  /** Takes the name and the clock of the pool. */
  constructor(name: string, clock: Clock) {
    this.name = name
    this.clock = clock
  }

  /** Fires when the pool stops. */
  get stopped(): AbortSignal {
    return this.#stop.signal
  }

  /** Throws `PoolClosedError` once the pool refuses new calls. */
  checkOpen(): void {
    if (this.#state !== 'open') throw new PoolClosedError(this.name)
  }

  /** Throws `PoolClosedError` once the pool has stopped, so that calls under way end too. */
  checkRunning(): void {
    if (this.#state === 'stopped') throw new PoolClosedError(this.name)
  }

  /** The pool refuses new calls from now on. */
  refuseCalls(): void {
    if (this.#state === 'open') this.#state = 'closing'
  }

  /** Stops the pool: `stopped` fires, and timers and tasks do nothing any more. */
  stop(): void {
    this.#state = 'stopped'
    this.#stop.abort()
  }

  /** Time now, in milliseconds of the pool's clock. */
  now(): number {
    return this.clock.now()
  }

  /** Calls `fire` after `delayMs`, unless the pool has stopped by then. */
  after(delayMs: number, fire: () => void, options?: { keepAlive?: boolean }): ClockTimer {
    return this.#context.runInAsyncScope(() =>
      this.clock.setTimer(
        () => {
          if (!this.stopped.aborted) fire()
        },
        delayMs,
        options,
      ),
    )
  }

  /**
   * Resolves with whether the work settles before the deadline and before the signal fires. Rejects
   * with the error of the work if it fails in time.
   */
  inTime(
    work: Promise<unknown>,
    deadline: number,
    signal: AbortSignal | undefined,
  ): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const end = (): void => {
        timer?.cancel()
        unwatchSignal(signal, late)
      }
      const late = (): void => {
        end()
        resolve(false)
      }
      const timer =
        deadline === Number.POSITIVE_INFINITY
          ? undefined
          : this.after(Math.max(0, deadline - this.now()), late, { keepAlive: true })
      watchSignal(signal, late)
      if (signal?.aborted) late()
      work.then(
        () => {
          end()
          resolve(true)
        },
        (error: unknown) => {
          end()
          reject(error as Error)
        },
      )
    })
  }

  /** Runs a task in the background. Does nothing after the pool has stopped. */
  run(task: () => Promise<void>): void {
    if (this.stopped.aborted) return
    this.#context.runInAsyncScope(task).catch((error: unknown) => {
      if (!this.stopped.aborted) this.hub.emit('error', { pool: this.name, error })
    })
  }
}
