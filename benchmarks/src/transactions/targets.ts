import type { Target } from '../target.js'
import { awayTask, CALLERS, callersTask } from './tasks.js'

const BY_HAND = 'pg.Pool by hand, named'
const BEGIN = 'sql.begin'
const LIST = 'poolhouse, transaction([…])'
const OVER_POSTGRES_JS = 'poolhouse over postgres.js'

const calls = { metric: 'calls/s', peer: BY_HAND } as const

const transactions = CALLERS.flatMap((count): Target[] => {
  const task = callersTask('transaction', count)
  const begin = { task, metric: 'calls/s', peer: BEGIN, atLeast: 1.9, aim: 2.3 }
  const cpu = { task, metric: 'CPU µs', peer: BY_HAND, atMost: 1, aim: 0.75 }
  return [
    { ...calls, what: `${task}: ÷ pg.Pool by hand`, task, atLeast: 1, aim: 1.15 },
    { ...begin, what: `${task}: ÷ sql.begin` },
    { ...begin, what: `${task}, over postgres.js: ÷ sql.begin`, ours: OVER_POSTGRES_JS },
    { ...cpu, what: `${task}: client CPU ÷ pg.Pool by hand` },
  ]
})

const away = CALLERS.flatMap((count): Target[] => {
  const task = awayTask('transaction', count)
  const listTask = awayTask('transaction([…])', count)
  const list = { ...calls, task, ours: LIST }
  return [
    { ...calls, what: `${task}: ÷ pg.Pool by hand`, task, atLeast: 1.2, aim: 1.25 },
    { ...list, what: `${listTask}: ÷ pg.Pool by hand`, atLeast: 1.7, aim: 3 },
  ]
})

const uses = CALLERS.map((count): Target => {
  const task = callersTask('use', count)
  return { ...calls, what: `${task}: ÷ connect, query, release`, task, atLeast: 1.1, aim: 1.3 }
})

const rows = { task: 'rows', metric: 'rows/s', orShareOf: [0.8, 'limit'] } as const
// As much as before: two weighings of one build differ by up to half a percent.
const heap = { metric: 'bytes each', withBase: true, atMost: 1.005, aim: 0.8 } as const
const WAITING = ['poolhouse', 'poolhouse, acquire', 'poolhouse, use', 'poolhouse, transaction']

/** What is promised of transactions, borrowings, results and their memory, in the table's order. */
export const transactionTargets: readonly Target[] = [
  ...transactions,
  ...away,
  ...uses,
  { ...rows, what: 'rows/s over pg: ÷ pg.Pool', peer: 'pg.Pool', atLeast: 1.7, aim: 2.5 },
  {
    ...rows,
    what: 'rows/s over postgres.js: ÷ postgres.js',
    ours: OVER_POSTGRES_JS,
    peer: 'postgres.js',
    atLeast: 1.4,
    aim: 2,
  },
  ...['poolhouse', OVER_POSTGRES_JS].map(
    (ours): Target => ({
      ...heap,
      what: `heap per idle connection, ${ours}: ÷ the base`,
      task: 'heap per idle connection',
      ours,
    }),
  ),
  ...WAITING.map(
    (ours): Target => ({
      ...heap,
      what: `heap per waiting ${ours.split(', ')[1] ?? 'query'}: ÷ the base`,
      task: 'heap per waiting call',
      ours,
    }),
  ),
]
