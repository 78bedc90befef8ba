import type { Sample } from '../interleave.js'
import { type Contender, type MakeContender, ROWS } from './contender.js'
import { LatencyLog } from './latency-log.js'
import { perSecond, steadiness } from './steadiness.js'

const WARM_UP_MS = 2_000
const LONGEST_WARM_UP_MS = 6_000
// After so many calls all that is measured is compiled: after 75,000 a call of ours took a third
// more CPU than after 180,000.
const WARM_UP_CALLS = 200_000
const MEASURE_MS = 2_000
// At 1 % of slow calls a pool whose connections they fill makes a few hundred calls a second.
const MIXED_MEASURE_MS = 4_000
// A step that shares no factor with the number of rows: every key has its turn.
const STEP = 7_919

/** What callers write down. */
interface Notes {
  readonly fast: LatencyLog
  readonly slow: LatencyLog
}

/** The slow calls among the others: which statement, and how many of a thousand calls. */
export interface SlowCalls {
  readonly text: string
  readonly perMille: number
}

const NONE: SlowCalls = { text: '', perMille: 0 }

interface Load {
  /** Callers. */
  readonly count: number
  /** How long they go on. Default `MEASURE_MS`. */
  readonly ms?: number
  readonly slow?: SlowCalls | undefined
}

/** So many callers that look up one account after another, each as soon as it has its answer. */
export async function pointLoad(make: MakeContender, url: string, count: number): Promise<Sample> {
  const { notes, seconds, cpu } = await measured(make, url, { count })
  const [p50, p99] = notes.fast.quantiles(0.5, 0.99)
  return {
    'calls/s': notes.fast.count / seconds,
    'CPU µs': cpu / notes.fast.count,
    'p50 ms': p50!,
    'p99 ms': p99!,
  }
}

/**
 * The same callers, of whose calls some are slow; which ones is drawn, the same in every process.
 */
export async function mixedLoad(
  make: MakeContender,
  url: string,
  count: number,
  slow: SlowCalls,
): Promise<Sample> {
  const { notes, seconds } = await measured(make, url, { count, ms: MIXED_MEASURE_MS, slow })
  const [p50, p99] = notes.fast.quantiles(0.5, 0.99)
  return {
    'fast calls/s': notes.fast.count / seconds,
    'fast p50 ms': p50!,
    'fast p99 ms': p99!,
    'slow p50 ms': notes.slow.quantiles(0.5)[0]!,
  }
}

/** Callers that go on for so many seconds, and whether they were as fast at the end as ever. */
export async function steadyLoad(
  make: MakeContender,
  url: string,
  count: number,
  seconds: number,
): Promise<Sample> {
  const contender = await make(url)
  await warmUp(contender, { count })
  const calls = perSecond(seconds)
  const start = performance.now()
  const end = start + seconds * 1_000
  const next = keys()
  await together(count, async () => {
    for (let now = start; now < end; ) {
      const key = next()
      check(contender, key, await contender.find(key))
      now = performance.now()
      calls.add(now - start)
    }
  })
  await contender.close()
  return steadiness(calls.counts)
}

async function measured(
  make: MakeContender,
  url: string,
  { count, ms = MEASURE_MS, slow }: Load,
): Promise<{ notes: Notes; seconds: number; cpu: number }> {
  const contender = await make(url)
  await warmUp(contender, { count, slow })
  const before = process.cpuUsage()
  const start = performance.now()
  const notes = await callers(contender, { count, ms, slow })
  const seconds = (performance.now() - start) / 1_000
  const { user, system } = process.cpuUsage(before)
  await contender.close()
  return { notes, seconds, cpu: user + system }
}

async function warmUp(contender: Contender, load: Pick<Load, 'count' | 'slow'>): Promise<void> {
  const latest = performance.now() + LONGEST_WARM_UP_MS
  for (let made = 0; made < WARM_UP_CALLS && performance.now() < latest; ) {
    const { fast } = await callers(contender, { ...load, ms: WARM_UP_MS })
    made += fast.count
  }
}

/** The closed loop, the same for all: it allocates nothing of its own for a call. */
async function callers(
  contender: Contender,
  { count, ms = MEASURE_MS, slow }: Load,
): Promise<Notes> {
  const notes: Notes = { fast: new LatencyLog(), slow: new LatencyLog() }
  const { text, perMille } = slow ?? NONE
  const next = keys()
  const draw = perMilles()
  const end = performance.now() + ms
  await together(count, async () => {
    for (let start = performance.now(); start < end; ) {
      const isSlow = perMille > 0 && draw() < perMille
      if (isSlow) await contender.run!(text)
      else {
        const key = next()
        check(contender, key, await contender.find(key))
      }
      const now = performance.now()
      if (isSlow) notes.slow.add(now - start)
      else notes.fast.add(now - start)
      start = now
    }
  })
  return notes
}

async function together(count: number, caller: () => Promise<void>): Promise<void> {
  await Promise.all(Array.from({ length: count }, caller))
}

/** Gives the keys of all accounts in turn, far from one another. */
function keys(): () => number {
  let key = 0
  return () => {
    key += STEP
    if (key >= ROWS) key -= ROWS
    return key
  }
}

/** Draws whole numbers below 1,000, the same ones in every process. */
function perMilles(): () => number {
  let state = 20_261_130
  return () => {
    // Numbers of a linear congruential generator; its low bits repeat soon and are left out.
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * 1_000)
  }
}

/** A client that answers with another caller's row must not win. */
function check(contender: Contender, key: number, answer: unknown): void {
  const balance = contender.balanceOf(answer as never)
  if (balance !== key) throw new Error(`account ${key} was answered with balance ${balance}`)
}
