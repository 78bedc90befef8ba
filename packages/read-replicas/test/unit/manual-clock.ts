import type { Clock, ClockTimer } from '@poolhouse/core'

interface ManualTimer {
  readonly at: number
  readonly fire: () => void
  keepAlive: boolean
}

/** A clock that a test moves. */
export class ManualClock implements Clock {
  readonly #timers = new Set<ManualTimer>()
  #now = 0

  now(): number {
    return this.#now
  }

  wallNow(): number {
    return this.#now
  }

  setTimer(fire: () => void, delayMs: number, options?: { keepAlive?: boolean }): ClockTimer {
    const at = this.#now + Math.max(0, delayMs)
    const timer: ManualTimer = { at, fire, keepAlive: options?.keepAlive === true }
    this.#timers.add(timer)
    return {
      cancel: () => this.#timers.delete(timer),
      keepAlive: (on) => {
        timer.keepAlive = on
      },
    }
  }

  afterIo(fire: () => void): void {
    queueMicrotask(fire)
  }

  /** Timers that have not fired. */
  get pending(): number {
    return this.#timers.size
  }

  /** Whether a timer keeps the process alive. */
  get keepsAlive(): boolean {
    return [...this.#timers].some(({ keepAlive }) => keepAlive)
  }

  /** Lets time pass, timer by timer, and settles what follows from each timer. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms
    await settle()
    for (let next = this.#next(end); next !== undefined; next = this.#next(end)) {
      this.#timers.delete(next)
      this.#now = Math.max(this.#now, next.at)
      next.fire()
      await settle()
    }
    this.#now = end
  }

  #next(end: number): ManualTimer | undefined {
    let next: ManualTimer | undefined
    for (const timer of this.#timers) {
      if (timer.at <= end && (next === undefined || timer.at < next.at)) next = timer
    }
    return next
  }
}

/** Lets all promises that can settle do so. */
export async function settle(): Promise<void> {
  await new Promise<void>((resolve) => {
    setImmediate(resolve)
  })
}
