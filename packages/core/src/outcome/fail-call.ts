import { ownError } from '../base/own-error.js'
import { PoolhouseError } from './poolhouse-error.js'

// Pools over pools have async functions of their own between the failure and the caller, which must
// not take the place of the caller's frames.
const FRAMES_OF_OURS = 15

// An error that fails several promises of one call keeps the frames of the first, as their caller
// may have read them.
const shown = new WeakSet<Error>()

/** The `resolve` of a caller's promise, which also takes a promise to follow. */
export type SettleCall = (outcome: PromiseLike<never>) => void

/**
 * Rejects the promise of a call whose `resolve` is `settle`, from where no caller is on the stack:
 * an answer of the server, a timer, a signal, the call of another caller. Of an error of ours, the
 * frames of the stack become those of the code that awaits the call; every other error is left as
 * it is. The rejection comes two microtasks later than by `reject`, and costs what succeeds
 * nothing. `isHere` says that the error was made on the caller's own stack, which shows more.
 *
 * The error must belong to this call alone: see `ownError` for one that has failed several.
 */
export function failCall(settle: SettleCall, error: unknown, isHere = false): void {
  if (isHere) {
    settle(Promise.reject(error))
    return
  }
  let begin!: () => void
  const begun = new Promise<void>((resolve) => {
    begin = resolve
  })
  // In a reaction of a promise, V8 finds the async callers along the promises that wait for it. So
  // the two are linked first, in a microtask of its own, and the reaction runs after that.
  const failed = begun.then(function fail(): never {
    if (error instanceof PoolhouseError) showCaller(error, fail)
    // A call that is settled already follows nothing. Not before: V8 stops where two wait.
    failed.catch(ignore)
    throw error
  })
  settle(failed)
  begin()
}

/**
 * Resolves the promise of a call that has several outcomes, as `failCall` rejects one: `errors`,
 * which are those of some outcomes, get the frames of the code that awaits the call.
 */
export function tellCall<T>(
  settle: (outcome: T | PromiseLike<T>) => void,
  value: T,
  errors: readonly unknown[],
): void {
  if (errors.length === 0) {
    settle(value)
    return
  }
  let begin!: () => void
  const begun = new Promise<void>((resolve) => {
    begin = resolve
  })
  settle(
    begun.then(function tell(): T {
      for (const error of errors) if (error instanceof PoolhouseError) showCaller(error, tell)
      return value
    }),
  )
  begin()
}

function ignore(): void {}

/**
 * As `failCall`, for an error that has come through a promise of ours on whose way no caller could
 * be found.
 */
export function failAgain(settle: SettleCall, error: unknown): void {
  if (error instanceof PoolhouseError) shown.delete(error)
  failCall(settle, error)
}

/** As `ownError`, for a call that fails here and now: with the frames of its caller. */
export function ownErrorHere<E extends Error>(error: E): E {
  const own = ownError(error)
  showCaller(own, ownErrorHere)
  return own
}

/** Gives the error the stack of this moment, from the caller of `above` on. */
function showCaller(error: Error, above: (...args: never[]) => unknown): void {
  const { stackTraceLimit } = Error
  // With a limit of 0 the application wants no frames. A frozen error cannot take them.
  if (!(stackTraceLimit > 0) || !Object.isExtensible(error) || shown.has(error)) return
  shown.add(error)
  try {
    Error.stackTraceLimit = stackTraceLimit + FRAMES_OF_OURS
    Error.captureStackTrace(error, above)
    Error.stackTraceLimit = stackTraceLimit
  } catch {
    // The application has frozen `Error` itself. What went wrong matters more than where.
  }
}
