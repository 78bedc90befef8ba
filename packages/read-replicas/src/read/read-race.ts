import { failAgain } from '@poolhouse/core/kit'

/** Begins a read that ends early when the signal fires. */
export type StartRead<R> = (signal: AbortSignal) => Promise<R>

/** The result of a race. */
export interface RaceResult<R> {
  /** The first answer. */
  readonly value: R
  /** Whether the second read gave it. */
  readonly second: boolean
}

/**
 * Runs `first`, and the read that `second` resolves with if there is no answer by then. The first
 * answer counts, and the other read is cancelled. If one read fails, the other one decides if it
 * has begun. If both fail, the error of `first` counts.
 */
export function raceReads<R>(
  first: StartRead<R>,
  second: (over: AbortSignal) => Promise<StartRead<R> | undefined>,
): Promise<RaceResult<R>> {
  return new Promise((resolve) => {
    const runners: AbortController[] = []
    const waiting = new AbortController()
    let running = 0
    let over = false
    let failure: { readonly error: unknown } | undefined
    const finish = (settle: () => void): void => {
      if (over) return
      over = true
      waiting.abort()
      settle()
      for (const runner of runners) runner.abort(new Error('another node answered first'))
    }
    const start = (read: StartRead<R>, isSecond: boolean): void => {
      const runner = new AbortController()
      runners.push(runner)
      running++
      read(runner.signal).then(
        (value) => finish(() => resolve({ value, second: isSecond })),
        (error: unknown) => {
          failure = isSecond ? (failure ?? { error }) : { error }
          if (--running === 0) {
            const { error: reason } = failure
            finish(() => failAgain(resolve, reason))
          }
        },
      )
    }
    start(first, false)
    second(waiting.signal).then(
      (read) => {
        if (!over && read !== undefined) start(read, true)
      },
      () => {},
    )
  })
}

// Share of reads that may be sent twice, and how many of them may be saved up for a bad moment.
const SHARE = 0.1
const MOST = 10

/**
 * Limits how many reads are sent twice: when all servers are slow, sending all reads twice makes
 * them slower.
 */
export class HedgeBudget {
  #tokens = MOST

  /** A read was sent. */
  earn(): void {
    this.#tokens = Math.min(MOST, this.#tokens + SHARE)
  }

  /** Whether one more read may be sent twice. If so, the budget is charged. */
  spend(): boolean {
    if (this.#tokens < 1) return false
    this.#tokens--
    return true
  }
}
