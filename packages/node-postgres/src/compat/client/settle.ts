import { realTimers } from '@poolhouse/core/net'

/**
 * Returns the promise; or calls back in the way of `pg` and returns undefined: never at once, and
 * outside the promise, so that what a callback throws is its own. `success` is its first argument
 * when all is well: null for queries of a client, undefined for a pool.
 */
export function settle(
  promise: Promise<unknown>,
  callback: unknown,
  success: null | undefined,
): Promise<unknown> | undefined {
  if (typeof callback !== 'function') return promise
  promise.then(
    (value) => realTimers.nextTick(callback as () => void, success, value),
    (error: unknown) => realTimers.nextTick(callback as () => void, error),
  )
  return undefined
}
