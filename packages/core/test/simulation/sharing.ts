import type { SeededRandom } from '../../src/testing/index.js'

/** The option `multiplex` of a pool. */
export type Sharing =
  | 'auto'
  | { readonly connections: number; readonly maxInFlight: number }
  | false

// Tiny statements have no use for more.
const MOST_FOR_TINY = 4

/** How callers share connections in one schedule, or in a part of it. */
export function sharing(random: SeededRandom, max: number): Sharing {
  const limits = { connections: random.int(1, max), maxInFlight: random.int(1, 8) }
  return random.pick<Sharing>([false, 'auto', limits, limits])
}

/** How many connections may be shared; while so many are, those that share may wait. */
export function mostShared(multiplex: Sharing, max: number): number {
  if (multiplex === false) return 0
  const connections = multiplex === 'auto' ? max : multiplex.connections
  return Math.min(connections, max, MOST_FOR_TINY)
}
