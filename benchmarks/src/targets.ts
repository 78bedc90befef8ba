import { facadeTask } from './compat/tasks.js'
import { openTask, pointTask } from './drivers/tasks.js'
import type { Medians } from './interleave.js'
import { otelTargets } from './otel/tasks.js'
import { type Target, type Verdict, verdictOf } from './target.js'
import { tenantTasks } from './tenants/tasks.js'
import { transactionTargets } from './transactions/targets.js'
import { wholeTargets } from './whole/targets.js'

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
  ...transactionTargets,
  ...wholeTargets,
  ...otelTargets,
  ...Object.keys(tenantTasks).flatMap((task): Target[] => [
    { task, metric: 'p99 ms', peer: 'alone', atMost: 3 },
    { task, metric: 'connections opened', atMost: 0 },
  ]),
]

/** What became of the targets of one task; `commit` is that of the base. */
export function verdicts(task: string, medians: Medians, commit?: string): Verdict[] {
  return targets
    .filter((target) => target.task === task)
    .map((target) => verdictOf(target, medians, commit))
}
