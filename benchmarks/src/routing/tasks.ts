import type { Sample } from '../interleave.js'
import {
  endpointSessionVariants,
  endpointVariants,
  type RoutingVariant,
  routerVariants,
  sessionVariants,
} from './variants.js'

/**
 * One task: who takes part, and how one of them is measured. `urls` are the primary and its
 * replicas.
 */
export interface RoutingTask {
  readonly variants: readonly string[]
  /**
   * Whether the replicas are reached through a relay, whose endpoint follows them among the URLs.
   */
  readonly relayed?: true
  measure(variant: string, urls: readonly string[]): Promise<Sample>
}

// Some thousand calls of each kind, so that what is measured is compiled: of twenty calls one
// writes, and one waits for that. With 4 s a tenth of what was measured was the compiler.
const WARM_UP_MS = 12_000
const MEASURE_MS = 4_000

/** Every measurement of routing, by name. */
export const routingTasks: Readonly<Record<string, RoutingTask>> = {
  'router without a network, 10 callers': {
    variants: Object.keys(routerVariants),
    measure: async (variant) => measure(await routerVariants[variant]!(), 10),
  },
  // Each caller is a session that calls without a pause, so every write is followed by a read at
  // once, on cores that replay shares with everybody: users who think between their calls find
  // their writes replayed, and cost less than this.
  'read-mostly, 100 callers': {
    variants: Object.keys(sessionVariants),
    measure: async (variant, urls) => measure(await sessionVariants[variant]!(urls), 100),
  },
  'reader endpoint, 100 callers': {
    variants: Object.keys(endpointVariants),
    relayed: true,
    measure: async (variant, urls) => measure(await endpointVariants[variant]!(urls), 100),
  },
  // Every read follows a write of its session at once.
  'reader endpoint, read after write, 100 callers': {
    variants: Object.keys(endpointSessionVariants),
    relayed: true,
    measure: async (variant, urls) => measure(await endpointSessionVariants[variant]!(urls), 100),
  },
}

async function measure(variant: RoutingVariant, count: number): Promise<Sample> {
  const callers = Array.from({ length: count }, () => variant.caller())
  const run = async (ms: number): Promise<number> => {
    const end = performance.now() + ms
    const calls = await Promise.all(
      callers.map(async (call) => {
        let made = 0
        while (performance.now() < end) {
          // Looking at the clock for each call would be a good part of what is measured.
          for (let turn = 0; turn < 16; turn++) await call()
          made += 16
          // Answers that take no time would leave none for timers.
          await new Promise((resolve) => setImmediate(resolve))
        }
        return made
      }),
    )
    return calls.reduce((sum, made) => sum + made, 0)
  }
  await run(WARM_UP_MS)
  const before = process.cpuUsage()
  const start = performance.now()
  const calls = await run(MEASURE_MS)
  const seconds = (performance.now() - start) / 1_000
  const { user, system } = process.cpuUsage(before)
  return { 'CPU µs': (user + system) / calls, 'calls/s': calls / seconds }
}
