import { facadeTask } from './compat/tasks.js'
import { openTask, pointTask } from './drivers/tasks.js'
import type { Medians } from './interleave.js'
import { tenantTasks } from './tenants/tasks.js'

/** One promise about one number, as it stands in the README. */
interface Target {
  /** Task it is about. */
  readonly task: string
  /** Metric of that task. */
  readonly metric: string
  /** Which of ours; default `poolhouse`. */
  readonly ours?: string
  /**
   * Compared with whom, as a ratio; undefined for a number of its own; `minus` for a difference.
   */
  readonly peer?: string
  /** Ours minus the peer's instead of ours divided by it. */
  readonly difference?: boolean
  /** Largest value that is good. */
  readonly atMost?: number
  /** Smallest value that is good. */
  readonly atLeast?: number
}

/** A target and what was measured. */
export interface Verdict extends Target {
  /** The ratio, difference or number. */
  readonly value: number
  /** Whether it is good. */
  readonly met: boolean
}

const DOWN = ['refuses', 'accepts and closes'].map((how) => `database down (${how}), 500 callers`)

/**
 * What is promised of `pg` under a pool of ours, one connection per caller at a time, against its
 * own pool.
 */
function pgTargets(task: string, callers: number): Target[] {
  const peer = 'pg.Pool, named'
  return [
    { task, metric: 'calls/s', peer, atLeast: callers === 1 ? 0.97 : 1 },
    { task, metric: 'CPU µs', peer, atMost: 1 },
    ...(callers === 100 ? [{ task, metric: 'p99 ms', peer, atMost: 0.95 }] : []),
  ]
}

/** Every target, in the order of the README. */
const targets: readonly Target[] = [
  { task: 'cycle, 100 workers', metric: 'CPU ns', peer: 'pg-pool', atMost: 0.3 },
  { task: 'cycle, 100 workers', metric: 'CPU ns', peer: 'generic-pool', atMost: 0.6 },
  { task: 'cycle, 10000 workers', metric: 'CPU ns', peer: 'pg-pool', atMost: 0.75 },
  { task: '100000 waiters', metric: 'drain ns', peer: 'pg-pool', atMost: 0.1 },
  { task: '100000 waiters', metric: 'bytes per waiter', peer: 'pg-pool', atMost: 0.8 },
  { task: '20000 time-outs', metric: 'longest stall ms', atMost: 50 },
  { task: 'spike', metric: 'ms', peer: 'pg-pool', atMost: 0.4 },
  { task: 'spike', metric: 'opened in all', atMost: 10 },
  ...[1, 10, 100].flatMap((callers): Target[] => {
    const task = `point query, ${callers} caller${callers === 1 ? '' : 's'}`
    return [
      ...pgTargets(task, callers),
      {
        task,
        metric: 'calls/s',
        ours: 'poolhouse, as written',
        peer: 'pg.Pool, as written',
        atLeast: 1.25,
      },
    ]
  }),
  ...['pg', 'postgres.js'].flatMap((driver): Target[] => {
    const [ours, peer] = [`always over ${driver}`, `auto over ${driver}`]
    return [
      { task: 'reset, 10 callers', metric: 'calls/s', ours, peer, atLeast: 0.5 },
      { task: 'reset, 1 ms away, 1 caller', metric: 'p50 ms', ours, peer, atMost: 1 / 0.95 },
    ]
  }),
  { task: 'unique violations, 10 callers', metric: 'calls/s', peer: 'pg.Pool, named', atLeast: 3 },
  { task: 'unique violations, 10 callers', metric: 'connections opened', atMost: 10 },
  ...DOWN.flatMap((task): Target[] => [
    { task, metric: 'connect attempts', atMost: 20 },
    { task, metric: 'latest after its deadline ms', atMost: 250 },
  ]),
  {
    task: 'idle connections',
    metric: 'bytes each',
    peer: 'pg.Client',
    difference: true,
    atMost: 2_048,
  },
  { task: '1000 idle pools', metric: 'KiB', atMost: 5 * 1_024 },
  ...[1, 10, 100].flatMap((count): Target[] => [
    {
      task: pointTask('postgres.js', count),
      metric: 'calls/s',
      peer: 'postgres.js',
      atLeast: 0.95,
    },
    ...pgTargets(pointTask('pg', count), count),
  ]),
  ...(['SCRAM', 'trust', 'TLS and SCRAM'] as const).flatMap((place): Target[] =>
    ['ms', 'CPU µs'].flatMap((metric) => [
      { task: openTask('postgres.js', place), metric, peer: 'postgres.js', atMost: 1.1 },
      { task: openTask('pg', place), metric, peer: 'pg.Client', atMost: 1.1 },
    ]),
  ),
  {
    task: 'router without a network, 10 callers',
    metric: 'CPU µs',
    peer: 'node pool',
    difference: true,
    atMost: 3,
  },
  { task: 'read-mostly, 100 callers', metric: 'calls/s', peer: 'no session', atLeast: 0.95 },
  { task: 'read-mostly, 100 callers', metric: 'CPU µs', peer: 'no session', atMost: 1.05 },
  { task: 'reader endpoint, 100 callers', metric: 'calls/s', peer: 'two names', atLeast: 0.9 },
  {
    task: 'reader endpoint, read after write, 100 callers',
    metric: 'calls/s',
    peer: 'two names',
    atLeast: 0.6,
  },
  ...[
    ...[1, 10, 100].map(facadeTask),
    'Drizzle select, 10 callers',
    'Kysely select, 10 callers',
  ].flatMap((task): Target[] => [
    { task, metric: 'calls/s', peer: 'pg.Pool', atLeast: 1 },
    { task, metric: 'CPU µs', peer: 'pg.Pool', atMost: 1 },
  ]),
  {
    task: 'check-out and release',
    metric: 'CPU µs',
    ours: 'poolhouse, lazy',
    peer: 'poolhouse, eager',
    difference: true,
    atMost: 2,
  },
  ...Object.keys(tenantTasks).flatMap((task): Target[] => [
    { task, metric: 'p99 ms', peer: 'alone', atMost: 3 },
    { task, metric: 'connections opened', atMost: 0 },
  ]),
]

/** What became of the targets of one task. */
export function verdicts(task: string, medians: Medians): Verdict[] {
  return targets
    .filter((target) => target.task === task)
    .map((target) => {
      const value = measured(target, medians)
      const { atMost = Number.POSITIVE_INFINITY, atLeast = Number.NEGATIVE_INFINITY } = target
      return { ...target, value, met: value <= atMost && value >= atLeast }
    })
}

function measured(target: Target, medians: Medians): number {
  const of = (variant: string): number => medians.get(variant)?.get(target.metric) ?? Number.NaN
  const ours = of(target.ours ?? 'poolhouse')
  if (target.peer === undefined) return ours
  return target.difference ? ours - of(target.peer) : ours / of(target.peer)
}

/** One verdict as a line for people. */
export function verdictLine(verdict: Verdict): string {
  const { ours = 'poolhouse', metric, peer, difference, atMost, atLeast, value, met } = verdict
  const what = peer === undefined ? metric : `${metric} ${difference ? '−' : '÷'} ${peer}`
  const limit = atMost === undefined ? `≥ ${atLeast}` : `≤ ${atMost}`
  return `target  ${ours}: ${what} ${limit}: ${Number(value.toPrecision(3))}, ${met ? 'met' : 'MISSED'}`
}
