import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { median, type Sample } from '../interleave.js'
import { type PoolVariant, poolVariants, type VariantOptions } from './variants.js'

const WARM_UP_MS = 1_000
const CYCLES = 100_000
const BATCHES = 7

const cpuUs = (): number => {
  const { user, system } = process.cpuUsage()
  return user + system
}

async function make(name: string, options: Partial<VariantOptions> = {}): Promise<PoolVariant> {
  return await poolVariants[name]!({
    max: 10,
    connectMs: 0,
    maxPending: 1_000_000,
    onOpen: () => {},
    ...options,
  })
}

/** CPU of one acquire and release, each worker holding its resource for one microtask. */
async function cycle(name: string, workers: number): Promise<Sample> {
  const pool = await make(name)
  const run = async (cycles: number): Promise<void> => {
    const each = Math.ceil(cycles / workers)
    await Promise.all(
      Array.from({ length: workers }, async () => {
        for (let i = 0; i < each; i++) {
          const resource = await pool.acquire()
          await null
          pool.release(resource)
        }
      }),
    )
  }
  // Background compilers count as CPU too: measured is what they leave behind.
  const warmUntil = performance.now() + WARM_UP_MS
  while (performance.now() < warmUntil) await run(CYCLES)
  const costs: number[] = []
  for (let i = 0; i < BATCHES; i++) {
    const before = cpuUs()
    await run(CYCLES)
    costs.push(((cpuUs() - before) * 1_000) / CYCLES)
  }
  await pool.close()
  return { 'CPU ns': median(costs) }
}

/**
 * Queues waiters behind busy resources, weighs them, and hands one resource through all of them.
 */
async function waiters(name: string, count: number): Promise<Sample> {
  const pool = await make(name, { max: 1 })
  const warm = await pool.acquire()
  pool.release(warm)
  await sleep(5)
  const held = await pool.acquire()
  globalThis.gc?.()
  const heapBefore = process.memoryUsage().heapUsed
  const queueStart = cpuUs()
  let served = 0
  let done = (): void => {}
  const all = new Promise<void>((resolve) => {
    done = resolve
  })
  const serve = (resource: unknown): void => {
    served++
    pool.release(resource)
    if (served === count) done()
  }
  for (let i = 0; i < count; i++) void pool.acquire().then(serve)
  const queueCost = ((cpuUs() - queueStart) * 1_000) / count
  globalThis.gc?.()
  const bytes = (process.memoryUsage().heapUsed - heapBefore) / count
  const drainStart = cpuUs()
  pool.release(held)
  await all
  const drainCost = ((cpuUs() - drainStart) * 1_000) / count
  await pool.close()
  return { 'queue ns': queueCost, 'drain ns': drainCost, 'bytes per waiter': bytes }
}

/** Waiters that all time out together: how long the event loop stands still. */
async function timeouts(name: string, count: number): Promise<Sample> {
  const pool = await make(name, { max: 1, acquireTimeoutMs: 1_500 })
  const held = await pool.acquire()
  // pg-pool's timers do not keep the process alive.
  const alive = setInterval(() => {}, 1_000)
  let failed = 0
  const all = Array.from({ length: count }, () =>
    pool.acquire().then(
      () => {},
      () => {
        failed++
      },
    ),
  )
  await sleep(1_000)
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
  await Promise.all(all)
  await sleep(50)
  delay.disable()
  clearInterval(alive)
  if (failed !== count) throw new Error(`${name}: only ${failed} of ${count} timed out`)
  pool.release(held)
  await pool.close()
  return { 'longest stall ms': delay.max / 1e6 }
}

/** 50 requests of 2 ms on 5 warm resources, where opening one takes 150 ms. */
async function spike(name: string): Promise<Sample> {
  let opened = 0
  const pool = await make(name, {
    max: 50,
    connectMs: 150,
    onOpen: () => {
      opened++
    },
  })
  const warm = await Promise.all(Array.from({ length: 5 }, () => pool.acquire()))
  for (const resource of warm) pool.release(resource)
  await sleep(20)
  const start = performance.now()
  await Promise.all(
    Array.from({ length: 50 }, async () => {
      const resource = await pool.acquire()
      await sleep(2)
      pool.release(resource)
    }),
  )
  const ms = performance.now() - start
  await sleep(300)
  await pool.close()
  return { ms, 'opened in all': opened }
}

/** Every measurement of the engine, by name. */
export const poolTasks: Readonly<Record<string, (variant: string) => Promise<Sample>>> = {
  'cycle, 1 worker': (variant) => cycle(variant, 1),
  'cycle, 10 workers': (variant) => cycle(variant, 10),
  'cycle, 100 workers': (variant) => cycle(variant, 100),
  'cycle, 1000 workers': (variant) => cycle(variant, 1_000),
  'cycle, 10000 workers': (variant) => cycle(variant, 10_000),
  '100000 waiters': (variant) => waiters(variant, 100_000),
  '20000 time-outs': (variant) => timeouts(variant, 20_000),
  spike,
}
