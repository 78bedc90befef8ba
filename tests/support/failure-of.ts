import type { PoolhouseError } from '@poolhouse/core'

/** The error a promise rejects with; throws if it resolves. */
export async function failureOf<E extends Error = PoolhouseError>(
  promise: Promise<unknown>,
): Promise<E> {
  try {
    await promise
  } catch (error) {
    return error as E
  }
  throw new Error('it was expected to fail')
}

/** How often each outcome occurs: `ok`, or the name of an error. */
export async function tally(
  promises: readonly Promise<unknown>[],
): Promise<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (const outcome of await Promise.allSettled(promises)) {
    const name = outcome.status === 'fulfilled' ? 'ok' : (outcome.reason as Error).name
    counts[name] = (counts[name] ?? 0) + 1
  }
  return counts
}
