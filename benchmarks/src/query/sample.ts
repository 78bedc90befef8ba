import { type QueryVariant, queryVariants } from './variants.js'

// One measurement in a process of its own: node … sample.ts <task> <variant>, the server in BENCH_URL.
const [task = '', variantName = ''] = process.argv.slice(2)
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

async function measure(variant: QueryVariant): Promise<Record<string, number>> {
  const count = Number(/(\d+) callers?/.exec(task)?.[1] ?? 1)
  let key = 0
  const point = (): Promise<unknown> => {
    key = (key * 31 + 7) % ROWS
    return variant.query(key)
  }
  const violation = (): Promise<unknown> => variant.violate().catch(() => {})
  const call = task.startsWith('unique violations') ? violation : point
  await callers(count, WARM_UP_MS, call)
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

const variant = await queryVariants[variantName]!(process.env['BENCH_URL']!, 10)
process.stdout.write(JSON.stringify(await measure(variant)))
await variant.close()
process.exit(0)
