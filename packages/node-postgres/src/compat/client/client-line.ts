import { AsyncResource } from 'node:async_hooks'
import { realTimers } from '@poolhouse/core/net'

/** How long work may wait for its turn. */
export interface TurnLimit {
  /** In milliseconds. */
  readonly timeoutMs: number
  /** Makes the error of work whose turn did not come in time. */
  late(): Error
}

/** Work that waits for its turn, and the promise of the caller. */
interface WaitingWork {
  /** The caller's: what it reads of its context must not be that of the work before. */
  readonly context: AsyncResource
  readonly work: () => Promise<unknown>
  timer: NodeJS.Timeout | undefined
  readonly resolve: (value: never) => void
  readonly reject: (error: unknown) => void
}

/** Runs the work of one client in the order in which it was given: one piece at a time. */
export class ClientLine {
  #busy = false
  readonly #waiting: WaitingWork[] = []
  // Called when nothing is left to do: one who waits does not take the place of another.
  #whenFree: (() => void)[] = []
  readonly #drained: () => void

  /** `drained` is called each time when all work is done. */
  constructor(drained: () => void) {
    this.#drained = drained
  }

  /** Whether work is under way or waits. */
  get busy(): boolean {
    return this.#busy
  }

  /** Work that waits for its turn. */
  get waiting(): number {
    return this.#waiting.length
  }

  /**
   * Runs work when all that came before it is done. Settles as the work does, or rejects without
   * running it when its turn does not come within the limit.
   */
  run<R>(work: () => Promise<R>, limit?: TurnLimit): Promise<R> {
    if (!this.#busy) return this.#begin(work)
    return new Promise<R>((resolve, reject) => {
      const context = new AsyncResource('PoolhouseClient', { requireManualDestroy: true })
      const waiting: WaitingWork = { context, work, timer: undefined, resolve, reject }
      this.#waiting.push(waiting)
      if (limit === undefined) return
      waiting.timer = realTimers.setTimeout(() => {
        this.#waiting.splice(this.#waiting.indexOf(waiting), 1)
        reject(limit.late())
      }, limit.timeoutMs)
    })
  }

  /** Calls back once nothing is left to do: at once if that is now. */
  whenFree(call: () => void): void {
    if (this.#busy) this.#whenFree.push(call)
    else call()
  }

  /** Rejects the work that waits. What is under way goes on. */
  refuse(error: () => Error): void {
    for (const { timer, reject } of this.#waiting.splice(0)) {
      realTimers.clearTimeout(timer)
      reject(error())
    }
  }

  #begin<R>(work: () => Promise<R>): Promise<R> {
    this.#busy = true
    const promise = work()
    promise.then(this.#next, this.#next)
    return promise
  }

  readonly #next = (): void => {
    const next = this.#waiting.shift()
    if (next !== undefined) {
      realTimers.clearTimeout(next.timer)
      const { context, work, resolve, reject } = next
      context.runInAsyncScope(() =>
        this.#begin(work).then(resolve as (value: unknown) => void, reject),
      )
      return
    }
    this.#busy = false
    if (this.#whenFree.length > 0) for (const call of this.#whenFree.splice(0)) call()
    this.#drained()
  }
}
