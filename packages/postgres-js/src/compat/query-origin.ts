import type { PostgresQuery } from './postgres-query.js'

const FRAMES = 4

// By template, which there is one of for each place in the code.
const stacks = new WeakMap<object, { readonly stack?: string }>()

/**
 * Notes where the tagged template of a query stands in the code, once for each template, for the
 * stack of its errors. `below` is the function that the code has called. postgres.js does the same,
 * but for its own callers.
 */
export function noteOrigin(template: object, below: (...args: never[]) => unknown): void {
  if (stacks.has(template)) return
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = FRAMES
  const origin: { stack?: string } = {}
  Error.captureStackTrace(origin, below)
  Error.stackTraceLimit = stackTraceLimit
  stacks.set(template, origin)
}

/** The frames of the code that made a query, to stand below those of its error. */
export function originOf(query: PostgresQuery): string {
  const stack = stacks.get(query.strings)?.stack ?? query.origin
  return stack.replace(/.*\n/, '\n')
}
