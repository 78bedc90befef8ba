/**
 * The same error as an object of its own, for one of several callers that fail for one reason: what
 * a caller writes into its error (a request id, a status) must not show up in the error of another.
 * Class, stack and cause are those of `error`.
 */
export function ownError<E extends Error>(error: E): E {
  const { stackTraceLimit } = Error
  // Its own stack would say where it was copied.
  Error.stackTraceLimit = 0
  const copy = new Error(error.message)
  Error.stackTraceLimit = stackTraceLimit
  Object.setPrototypeOf(copy, Object.getPrototypeOf(error))
  const { stack, ...properties } = Object.getOwnPropertyDescriptors(error)
  Object.defineProperties(copy, properties)
  // Not by its descriptor: newer versions of V8 have an accessor there that reads from the copy.
  Object.defineProperty(copy, 'stack', { value: error.stack, writable: true, configurable: true })
  return copy as E
}
