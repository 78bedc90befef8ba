import type { Sample } from '../interleave.js'
import type { MakeVariant, QueryVariant } from './variants.js'

const ROWS = 10_000
const CONNECTIONS = 10
const WARM_UP_MS = 700
const LONGEST_WARM_UP_MS = 20_000
const MEASURE_MS = 2_000

/**
 * Callers that each run the point query one time after another, in a closed loop on ten
 * connections.
 */
export function load(make: MakeVariant, url: string, count: number): Promise<Sample> {
  let key = 0
  return measure(make, url, count, (variant) => {
    key = (key * 31 + 7) % ROWS
    return variant.query(key)
  })
}

/**
 * The same with an insert that violates a unique constraint; counts the connections that it took.
 */
export async function violations(make: MakeVariant, url: string, count: number): Promise<Sample> {
  let opened = 0
  const counted: MakeVariant = (options) => make({ ...options, onConnect: () => opened++ })
  const sample = await measure(counted, url, count, (variant) => variant.violate().catch(() => {}))
  return { ...sample, 'connections opened': opened }
}

async function measure(
  make: MakeVariant,
  url: string,
  count: number,
  call: (variant: QueryVariant) => Promise<unknown>,
): Promise<Sample> {
  const variant = await make({ url, max: CONNECTIONS, onConnect: () => {} })
  const sample = await closedLoop(count, () => call(variant))
  await variant.close()
  return sample
}

/**
 * So many callers that each call again as soon as they have their answer: 2 s, after a warm-up of
 * 0.7 s that is repeated until so many calls were made or `LONGEST_WARM_UP_MS` have passed, because
 * a server that is far away or a busy machine leaves the code cold otherwise.
 */
export async function closedLoop(
  count: number,
  call: () => Promise<unknown>,
  warmUpCalls = 1,
): Promise<Sample> {
  const latest = performance.now() + LONGEST_WARM_UP_MS
  for (let made = 0; made < warmUpCalls && performance.now() < latest; ) {
    made += (await callers(count, WARM_UP_MS, call)).length
  }
  const before = process.cpuUsage()
  const start = performance.now()
  const times = await callers(count, MEASURE_MS, call)
  const seconds = (performance.now() - start) / 1_000
  const { user, system } = process.cpuUsage(before)
  times.sort((a, b) => a - b)
  return {
    'calls/s': times.length / seconds,
    'CPU µs': (user + system) / times.length,
    'p50 ms': times[times.length >> 1]!,
    'p99 ms': times[Math.floor(times.length * 0.99)]!,
  }
}

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
