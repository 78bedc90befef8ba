import type { Target } from '../target.js'
import { alone } from './stack.js'
import { LAST } from './steadiness.js'
import { AWAY_MS, awayTask, mixedTask, PER_MILLE, pointTask, SLOW, STACK, STEADY } from './tasks.js'

const NAMED = 'pg.Pool, named'
const POSTGRES_JS = 'postgres.js'
/** Ours with the shared lane, over each driver. */
const SHARED = ['poolhouse', 'poolhouse over postgres.js']
/** The same without a word about it: it shares by default. */
const DEFAULT = SHARED.map((ours) => `${ours}, default`)

/** A target without saying which of ours it is about. */
type Promised = Target & { readonly what: string }

const of = (ours: readonly string[], promised: readonly Promised[]): Target[] =>
  promised.flatMap((target) => ours.map((one) => ({ ...target, ours: one })))

const rate = (
  count: number,
  peer: string,
  [atLeast, aim]: readonly [atLeast: number, aim: number],
): Promised => {
  const task = pointTask(count)
  return { what: `${task}: calls/s ÷ ${peer}`, task, metric: 'calls/s', peer, atLeast, aim }
}

const sinceBase = (count: number, atLeast: number, aim: number): Promised => {
  const task = pointTask(count)
  const what = `${task}: calls/s ÷ the build before`
  return { what, task, metric: 'calls/s', withBase: true, atLeast, aim }
}

const latency = (
  count: number,
  metric: string,
  [atMost, aim]: readonly [atMost: number, aim: number],
): Promised => {
  const task = pointTask(count)
  return { what: `${task}: ${metric} ÷ ${NAMED}`, task, metric, peer: NAMED, atMost, aim }
}

const point: readonly Promised[] = [
  rate(10, NAMED, [1.6, 1.95]),
  rate(100, NAMED, [2.8, 3.6]),
  rate(1_000, NAMED, [3.3, 4.4]),
  rate(10, POSTGRES_JS, [1.7, 2.2]),
  rate(100, POSTGRES_JS, [2.5, 3.5]),
  rate(1_000, POSTGRES_JS, [1.6, 2.2]),
  sinceBase(10, 1.1, 1.25),
  sinceBase(100, 2, 2.5),
  sinceBase(1_000, 2.4, 3.5),
  rate(100, 'raw', [0.7, 0.85]),
  latency(100, 'CPU µs', [0.4, 0.25]),
  latency(100, 'p99 ms', [0.6, 0.4]),
  latency(1_000, 'p99 ms', [0.5, 0.3]),
  latency(1, 'p50 ms', [1, 0.85]),
]

const mixed = Object.keys(SLOW).flatMap((slow) =>
  PER_MILLE.flatMap((perMille): Promised[] => {
    const task = mixedTask(perMille, slow)
    const fast = { task, metric: 'fast p99 ms', peer: NAMED, atMost: 0.9, aim: 0.5 }
    return [
      { ...fast, what: `${task}: fast p99 ÷ ${NAMED}` },
      { what: `${task}: slow p50 ÷ ${NAMED}`, task, metric: 'slow p50 ms', peer: NAMED, atMost: 2 },
    ]
  }),
)

const farthest = awayTask(AWAY_MS[1])
const away = { task: farthest, metric: 'calls/s' }

const others: readonly Promised[] = [
  ...mixed,
  { ...away, what: `${farthest}: calls/s ÷ ${NAMED}`, peer: NAMED, atLeast: 5, aim: 7 },
  {
    ...away,
    what: `${farthest}: calls/s ÷ ${POSTGRES_JS}`,
    peer: POSTGRES_JS,
    atLeast: 1.2,
    aim: 1.6,
  },
  { what: `${STEADY}: last ÷ best 5 s`, task: STEADY, metric: LAST, atLeast: 0.95, aim: 0.98 },
]

/** What is promised of the whole product, in the order of the table. */
export const wholeTargets: readonly Target[] = [
  ...of([...SHARED, ...DEFAULT], point),
  ...of(SHARED, others),
  ...SHARED.map((ours) => ({
    what: `${STACK}: client CPU ÷ core alone`,
    task: STACK,
    metric: 'CPU µs',
    ours,
    peer: alone(ours),
    atMost: 1.15,
    aim: 1.05,
  })),
]
