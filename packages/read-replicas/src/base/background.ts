import { AsyncResource } from 'node:async_hooks'
import type { Clock, ClockTimer } from '@poolhouse/core'
import { EventHub, unwatchSignal, watchSignal } from '@poolhouse/core/kit'

/**
 * Everything a routing pool does while nobody waits for it: timers and tasks run in the pool's own
 * async context and never keep the process alive, and what fails in them is told as an `error`
 * event.
 */
export class Background {
  /** Events of the pool. */
  readonly hub: EventHub = new EventHub()
  /** Name of the pool, for events. */
  readonly name: string
  readonly #context = new AsyncResource('PoolhouseReplicas', { requireManualDestroy: true })
  /** Source of time, also after the pool has closed. */
  readonly clock: Clock
  readonly #stop = new AbortController()

  /** Makes the background of the pool of that name. */
  constructor(name: string, clock: Clock) {
    this.name = name
    this.clock = clock
  }

  /** Fires when the pool closes. */
  get stopped(): AbortSignal {
    return this.#stop.signal
  }

  /** Time now. */
  now(): number {
    return this.clock.now()
  }

  /** Calls `fire` later, unless the pool has closed by then. */
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
   * Whether the work settles before the deadline and before the signal fires. Passes on its
   * rejection if it does.
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

  /** Runs a task that nobody awaits. Does nothing after the pool has closed. */
  run(task: () => Promise<void>): void {
    if (this.stopped.aborted) return
    this.#context.runInAsyncScope(task).catch((error: unknown) => {
      if (!this.stopped.aborted) this.hub.emit('error', { pool: this.name, error })
    })
  }

  /** Ends it: tasks see `stopped`, timers do nothing. */
  stop(): void {
    this.#stop.abort()
  }
}
