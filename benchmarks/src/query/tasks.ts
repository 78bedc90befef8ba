import { databaseDown } from './database-down.js'
import { idleConnections, idlePools } from './memory.js'
import { queryVariants, type VariantOptions } from './variants.js'

/** What one measurement yields: named numbers. */
type Sample = Readonly<Record<string, number>>

/** One task: who takes part, and how one of them is measured against the server at `url`. */
export interface QueryTask {
  readonly variants: readonly string[]
  measure(variant: string, url: string): Promise<Sample>
}

const ROWS = 10_000
const WARM_UP_MS = 700
const MEASURE_MS = 2_000

async function callers(count: number, ms: number, call: () => Promise<unknown>): Promise<number[]> {
  const times: number[] = []
  const end = performance.now() + ms
  await Promise.all(
    Array.from({ length: count }, async () => {
      for (let start = performance.now(); start < end; ) {
        await call()
        const now = performance.now()
        times.push(now - start)
        start = now
      }
    }),
  )
  return times
}

/** Callers that each run one statement after another, in a closed loop. */
async function load(
  variantName: string,
  url: string,
  count: number,
  what: 'point' | 'violate',
): Promise<Sample> {
  let opened = 0
  const options: VariantOptions = { url, max: 10, onConnect: () => opened++ }
  const variant = await queryVariants[variantName]!(options)
  let key = 0
  const call = (): Promise<unknown> => {
    if (what === 'violate') return variant.violate().catch(() => {})
    key = (key * 31 + 7) % ROWS
    return variant.query(key)
  }
  await callers(count, WARM_UP_MS, call)
  const before = process.cpuUsage()
  const start = performance.now()
  const times = await callers(count, MEASURE_MS, call)
  const seconds = (performance.now() - start) / 1_000
  const { user, system } = process.cpuUsage(before)
  times.sort((a, b) => a - b)
  await variant.close()
  return {
    'calls/s': times.length / seconds,
    'CPU µs': (user + system) / times.length,
    'p50 ms': times[times.length >> 1]!,
    'p99 ms': times[Math.floor(times.length * 0.99)]!,
    ...(what === 'violate' && variantName !== 'postgres.js' && { 'connections opened': opened }),
  }
}

const everybody = Object.keys(queryVariants)
const pools = ['poolhouse', 'pg.Pool, named']

function point(count: number): QueryTask {
  return { variants: everybody, measure: (variant, url) => load(variant, url, count, 'point') }
}

/** Every measurement against a server, by name. */
export const queryTasks: Readonly<Record<string, QueryTask>> = {
  'point query, 1 caller': point(1),
  'point query, 10 callers': point(10),
  'point query, 100 callers': point(100),
  'unique violations, 10 callers': {
    variants: pools,
    measure: (variant, url) => load(variant, url, 10, 'violate'),
  },
  'database down (refuses), 500 callers': {
    variants: pools,
    measure: (variant) => databaseDown(variant, 'refuses'),
  },
  'database down (accepts and closes), 500 callers': {
    variants: pools,
    measure: (variant) => databaseDown(variant, 'accepts and closes'),
  },
  'idle connections': {
    variants: ['poolhouse', 'pg.Pool', 'pg.Client'],
    measure: (variant, url) => idleConnections(variant, url),
  },
  '1000 idle pools': {
    variants: ['poolhouse', 'pg.Pool'],
    measure: (variant) => idlePools(variant),
  },
}
