import type { LeakEvent } from '../api/events.js'

// Shared by all copies of this package in the process.
const WARNED: unique symbol = Symbol.for('poolhouse.warned-of-leaks') as never
const MOST_PLACES = 1_000
const LONGEST_TEXT = 200

/**
 * Warns the process of a leaked lease, for applications that do not listen for `leak`: once for
 * each place where leases were acquired, and once for each pool where no place is known.
 */
export function warnOfLeak(pool: string, leak: Omit<LeakEvent, 'pool'>): void {
  const { connection, heldMs, statement, stack, collected } = leak
  const shared = globalThis as { [WARNED]?: Set<string> }
  shared[WARNED] ??= new Set()
  const warned = shared[WARNED]
  const [place = `pool "${pool}"`] = stack?.split('\n') ?? []
  if (warned.has(place) || warned.size === MOST_PLACES) return
  warned.add(place)
  const what = collected
    ? 'was dropped without release(), and the pool has taken it back'
    : 'has not been released'
  const last =
    statement === undefined ? '' : `; last statement: ${statement.slice(0, LONGEST_TEXT)}`
  const where = stack === undefined ? '' : `; acquired ${place.trim()}`
  process.emitWarning(
    `a lease of pool "${pool}" (connection ${connection}) ${what} after ${Math.round(heldMs)} ms${last}${where}; release it in finally, or borrow with pool.use(). A listener for "leak" takes the place of this warning`,
    { type: 'PoolhouseLeakWarning', detail: stack },
  )
}
