import type { Sample } from '../interleave.js'
import type { MakeContender } from './contender.js'
import { everybody, peers, shared } from './contenders.js'
import { mixedLoad, pointLoad, type SlowCalls, steadyLoad } from './loops.js'
import { stacks } from './stack.js'

/** One task: who takes part, and how one of them is measured against the server at `url`. */
export interface WholeTask {
  readonly variants: readonly string[]
  /** What is added to a round trip to the server, in milliseconds; one of `AWAY_MS`. Default 0. */
  readonly awayMs?: number
  /** Whether an earlier build is measured too, if one is named. Default true. */
  readonly withBase?: false
  measure(variant: string, url: string): Promise<Sample>
}

// Numbers of callers of the point query.
const CALLERS = [1, 10, 100, 1_000]
/** What is added to a round trip, in milliseconds. */
export const AWAY_MS = [1, 2.8] as const
/** Calls in a thousand that are slow. */
export const PER_MILLE = [1, 10]
/** Statements of some 50 ms: one only waits, the other one keeps a processor of the server busy. */
export const SLOW: Readonly<Record<string, string>> = {
  'pg_sleep(0.05)': 'select pg_sleep(0.05)',
  'an aggregate of 50 ms': 'select sum(n) as total from generate_series(1, 250000) n',
}
/** Name of the task of steady load. */
export const STEADY = '60 s of steady load, 100 callers'
/** Name of the task of all packages together. */
export const STACK = 'full stack, 100 callers'

const MIXED_CALLERS = 100
const STEADY_SECONDS = 60

const callers = (count: number): string => `${count} caller${count === 1 ? '' : 's'}`

/** Name of the task of so many callers. */
export const pointTask = (count: number): string => `query by key, ${callers(count)}`
/** Name of the task of a server that is so far away. */
export const awayTask = (ms: number): string => `query by key, ${ms} ms away, ${callers(100)}`
/** Name of the task whose callers also run the slow statement of that name. */
export const mixedTask = (perMille: number, slow: string): string =>
  `beside ${perMille / 10} % of ${slow}, ${callers(MIXED_CALLERS)}`

/** Contenders by name. */
export type Makers = Readonly<Record<string, MakeContender>>

function task(
  makers: Makers,
  measure: (make: MakeContender, url: string) => Promise<Sample>,
  own: Pick<WholeTask, 'awayMs' | 'withBase'> = {},
): WholeTask {
  return {
    ...own,
    variants: Object.keys(makers),
    measure: (variant, url) => measure(makers[variant]!, url),
  }
}

/** Callers of the point query. */
export const point = (makers: Makers, count: number, awayMs = 0): WholeTask =>
  task(makers, (make, url) => pointLoad(make, url, count), { awayMs })

/** Callers of which some calls are slow. */
export const mixed = (makers: Makers, slow: SlowCalls): WholeTask =>
  task(makers, (make, url) => mixedLoad(make, url, MIXED_CALLERS, slow))

const mixedTasks = Object.entries(SLOW).flatMap(([name, text]) =>
  PER_MILLE.map((perMille): [string, WholeTask] => [
    mixedTask(perMille, name),
    mixed({ ...shared, ...peers }, { text, perMille }),
  ]),
)

/** Every measurement of the whole product, by name. */
export const wholeTasks: Readonly<Record<string, WholeTask>> = {
  ...Object.fromEntries(CALLERS.map((count) => [pointTask(count), point(everybody, count)])),
  ...Object.fromEntries(mixedTasks),
  ...Object.fromEntries(
    AWAY_MS.map((ms) => [
      awayTask(ms),
      point({ ...shared, ...peers, raw: everybody['raw']! }, 100, ms),
    ]),
  ),
  // Those beside ours show how steady the machine is.
  [STEADY]: task(
    { ...shared, ...peers, raw: everybody['raw']! },
    (make, url) => steadyLoad(make, url, 100, STEADY_SECONDS),
    { withBase: false },
  ),
  // An earlier manager may not know the options of today.
  [STACK]: task(stacks, (make, url) => pointLoad(make, url, 100), { withBase: false }),
}
