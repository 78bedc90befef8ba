import type { Clock } from './clock.js'

/**
 * What a step gets that begins late because this process stood still, in milliseconds: more than
 * two round trips to a distant server.
 */
export const LATE_STEP_MS = 500
// Beyond what a busy event loop makes of a timer.
const LATE_TIMER_MS = 50

/**
 * Settles with `step`, or rejects after `ms`. A timer that is late itself proves nothing, since
 * this process stood still: the step, whose request may not even have left, then has half a second
 * more.
 */
export function withDeadline<T>(
  clock: Clock,
  step: Promise<T>,
  ms: number,
  what: string,
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const due = clock.now() + ms
    const expire = (): void => {
      clock.afterIo(() => reject(new Error(`${what} within ${Math.round(ms)} ms`)))
    }
    let timer = clock.setTimer(
      () => {
        if (clock.now() - due < LATE_TIMER_MS) expire()
        else timer = clock.setTimer(expire, LATE_STEP_MS, { keepAlive: true })
      },
      ms,
      { keepAlive: true },
    )
    step.finally(() => timer.cancel()).then(resolve, reject)
  })
}
