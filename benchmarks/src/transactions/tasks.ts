import type { Sample } from '../interleave.js'
import { type MakeCaller, type NextKey, randomKeys } from '../query/caller.js'
import { closedLoop } from '../query/load.js'
import { connectionHolders, idleConnections } from '../query/memory.js'
import { arrayResults, ROWS, streams, wholeResults } from '../rows/variants.js'
import { BATCH, batches } from './batches.js'
import { transfers } from './transfers.js'
import { uses } from './uses.js'
import { waitingCall, waitingCalls } from './waiting.js'

/** One task: who takes part, and how one of them is measured against the server at `url`. */
export interface TransactionTask {
  readonly variants: readonly string[]
  /** Whether a round trip to the server takes `AWAY_MS`. */
  readonly far?: boolean
  measure(variant: string, url: string): Promise<Sample>
}

/** What a round trip takes in the tasks that are far away, in milliseconds. */
export const AWAY_MS = 2.8

// So many, that most of what is measured is compiled.
const WARM_UP_ROWS = 3_000

/** Numbers of callers that targets are about. */
export const CALLERS = [10, 100]

/** Name of a task of so many callers. */
export const callersTask = (what: string, count: number): string => `${what}, ${count} callers`
/** Name of a task on a server that is far away. */
export const awayTask = (what: string, count: number): string =>
  callersTask(`${what}, ${AWAY_MS} ms away`, count)

type Makers = Readonly<Record<string, MakeCaller>>

/** Callers that each call again as soon as they have their answer. */
function loop(makers: Makers, count: number, rows: number, far = false): TransactionTask {
  return {
    variants: Object.keys(makers),
    far,
    measure: (variant, url) =>
      withCaller(makers[variant]!, url, rows, (call) =>
        closedLoop(count, call, WARM_UP_ROWS / rows),
      ),
  }
}

function forCallers(
  task: (count: number) => [name: string, task: TransactionTask],
): Record<string, TransactionTask> {
  return Object.fromEntries(CALLERS.map(task))
}

/** One caller that reads one big result after another. */
function bigResults(makers: Makers): TransactionTask {
  return {
    variants: Object.keys(makers),
    measure: (variant, url) =>
      withCaller(makers[variant]!, url, ROWS, async (call) => {
        const { 'calls/s': calls, 'CPU µs': cpu, 'p50 ms': p50 } = await closedLoop(1, call)
        return { 'rows/s': calls! * ROWS, 'CPU ns per row': (cpu! * 1_000) / ROWS, 'p50 ms': p50! }
      }),
  }
}

/** Runs `work` with a call that fails if it did not bring so many rows. */
async function withCaller(
  make: MakeCaller,
  url: string,
  rows: number,
  work: (call: () => Promise<void>) => Promise<Sample>,
): Promise<Sample> {
  const caller = await make(url)
  const keys: NextKey = randomKeys()
  const sample = await work(async () => {
    const came = await caller.call(keys)
    if (came !== rows) throw new Error(`${came} rows came instead of ${rows}`)
  })
  await caller.close()
  return sample
}

/** Every measurement of transactions, borrowings, batches, rows and their memory, by name. */
export const transactionTasks: Readonly<Record<string, TransactionTask>> = {
  ...forCallers((count) => [callersTask('transaction', count), loop(transfers, count, 1)]),
  ...forCallers((count) => [awayTask('transaction', count), loop(transfers, count, 1, true)]),
  ...forCallers((count) => [callersTask('use', count), loop(uses, count, 1)]),
  [callersTask('batch of 10 queries', 10)]: loop(batches, 10, BATCH),
  [awayTask('batch of 10 queries', 10)]: loop(batches, 10, BATCH, true),
  rows: bigResults(wholeResults),
  'rows as arrays': bigResults(arrayResults),
  'rows streamed': bigResults(streams),
  'heap per idle connection': {
    variants: connectionHolders,
    measure: idleConnections,
  },
  'heap per waiting call': {
    variants: Object.keys(waitingCalls),
    measure: waitingCall,
  },
}
