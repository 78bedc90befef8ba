import { realTimers } from './real-timers.js'
/**
 * What foreign code has thrown surfaces by itself, in a tick of its own, instead of breaking the
 * parser in whose middle it was called.
 */
export function rethrowLater(error: unknown): void {
  realTimers.nextTick(() => {
    throw error
  })
}
