import type { SeededRandom } from '../../src/testing/index.js'

/** The option `multiplex` of a pool. */
export type Sharing =
  | 'auto'
  | { readonly connections: number; readonly maxInFlight: number }
  | false

const AUTO_IN_FLIGHT = 100
// Tiny statements have no use for more.
const MOST_FOR_TINY = 4

/** How callers share connections in one schedule, or in a part of it. */
export function sharing(random: SeededRandom, max: number): Sharing {
  const limits = { connections: random.int(1, max), maxInFlight: random.int(1, 8) }
  return random.pick<Sharing>([false, 'auto', limits, limits])
}

/** How many calls may be in flight on shared connections; the rest of those that share wait. */
export function mostInFlight(multiplex: Sharing, max: number): number {
  if (multiplex === false) return 0
  const { connections, maxInFlight } =
    multiplex === 'auto' ? { connections: max, maxInFlight: AUTO_IN_FLIGHT } : multiplex
  return Math.min(connections, max, MOST_FOR_TINY) * maxInFlight
}
