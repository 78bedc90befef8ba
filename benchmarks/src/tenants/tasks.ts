import { setTimeout as sleep } from 'node:timers/promises'
import type { Sample } from '../interleave.js'
import { type Call, tenantVariants } from './variants.js'

/** One task: who takes part, and how one of them is measured. */
export interface TenantTask {
  readonly variants: readonly string[]
  measure(variant: string, url: string): Promise<Sample>
}

const QUEUED = 10_000
const WARM_UP_MS = 1_500
const MEASURE_MS = 5_000
// The quiet tenant asks some 200 times a second.
const PAUSE_MS = 4
const POINT = 'select balance from accounts where id = $1'

const noises: Readonly<Record<string, readonly [text: string, values: readonly unknown[]]>> = {
  // Each holds its connection for 10 ms, as a call to a server elsewhere that does some work: what
  // is scarce is connections.
  'a noisy neighbour, calls of 10 ms': ['select pg_sleep(0.01)', []],
  // As many as the machine can take: server, client and the two tenants share its cores.
  'a noisy neighbour, all the machine can do': [POINT, [1]],
}

/** Every measurement of tenants, by name. */
export const tenantTasks: Readonly<Record<string, TenantTask>> = Object.fromEntries(
  Object.entries(noises).map(([task, noise]): [string, TenantTask] => [
    task,
    {
      variants: Object.keys(tenantVariants),
      measure: (variant, url) => beside(variant, url, noise),
    },
  ]),
)

/**
 * Calls of the quiet tenant, one after another with pauses, beside ten thousand queued calls of the
 * noisy one.
 */
async function beside(
  variant: string,
  url: string,
  [text, values]: readonly [string, readonly unknown[]],
): Promise<Sample> {
  const { quiet, noisy, opened } = tenantVariants[variant]!(url)
  const isAlone = variant === 'alone'
  await quiet(POINT, [0])
  const noise = isAlone ? { answers: () => 0 } : queue(noisy, text, values)
  await sleep(WARM_UP_MS)
  const before = noise.answers()
  const [openedBefore, start] = [opened(), performance.now()]
  const times = await calls(quiet, start + MEASURE_MS)
  const seconds = (performance.now() - start) / 1_000
  times.sort((a, b) => a - b)
  return {
    'p50 ms': times[times.length >> 1]!,
    'p99 ms': times[Math.floor(times.length * 0.99)]!,
    'connections opened': opened() - openedBefore,
    'noisy calls/s': (noise.answers() - before) / seconds,
  }
}

async function calls(call: Call, end: number): Promise<number[]> {
  const times: number[] = []
  for (let key = 0; performance.now() < end; key++) {
    const start = performance.now()
    await call(POINT, [key])
    times.push(performance.now() - start)
    await sleep(PAUSE_MS)
  }
  return times
}

/** Keeps so many calls queued, for as long as the process lives. */
function queue(call: Call, text: string, values: readonly unknown[]): { answers(): number } {
  let answers = 0
  for (let caller = 0; caller < QUEUED; caller++) {
    void (async () => {
      for (;;) {
        await call(text, values)
        answers++
      }
    })()
  }
  return { answers: () => answers }
}
