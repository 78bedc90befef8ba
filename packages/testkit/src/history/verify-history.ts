import { setTimeout as sleep } from 'node:timers/promises'
import type { Pool, PoolStats, Queryable } from '@poolhouse/core'
import type { History } from './history.js'
import type { Operation } from './operation.js'
import type { Stall } from './stall-watch.js'

/**
 * What can be wrong with a history:
 *
 * - `lost`: acknowledged, and not in the database
 * - `duplicated`: in the database more than once
 * - `phantom`: in the database, but never written by a worker
 * - `torn`: one half of a transaction without the other
 * - `wrong-executed`: the error said `no` or `rolled-back` and the rows are there, or `yes` and
 *   they are not
 * - `unstated`: failed without saying whether the work was done
 * - `late`: settled later than its deadline allows, and not because this process was stalled
 * - `unsettled`: never settled
 * - `stale-read`: a read did not see a write of its own worker that had been acknowledged before
 * - `backwards-read`: a read saw less than one of the same worker that was over before it began
 * - `lost-read`: a read showed a write that is not in the database: it came from a server with
 *   another history
 * - `leaked`: connections lent, or callers waiting, although no work has run for longer than a
 *   connection takes to be cleaned
 * - `unhandled`: an unhandled rejection or exception
 */
export type ViolationKind =
  | 'lost'
  | 'duplicated'
  | 'phantom'
  | 'torn'
  | 'wrong-executed'
  | 'unstated'
  | 'late'
  | 'unsettled'
  | 'stale-read'
  | 'backwards-read'
  | 'lost-read'
  | 'leaked'
  | 'unhandled'

/** One thing that is wrong. */
export interface Violation {
  /** What it is. */
  readonly kind: ViolationKind
  /** The call it is about, or the pool. */
  readonly who: string
  /** What was found, for a human. */
  readonly detail: string
}

/** What reads can promise. */
export type ReadPromise = 'read-your-writes' | 'monotonic-reads' | 'no-lost-reads'

/**
 * How a history is judged.
 *
 * @example
 * await verifyHistory(history, {
 *   db: pool,
 *   pools: [db],
 *   table: 'my_history',
 *   graceMs: 500,
 *   reads: ['read-your-writes', 'monotonic-reads'],
 * })
 */
export interface VerifyOptions {
  /** Reads the table; the primary, after everything has healed. */
  db: Queryable
  /** Pools that must lend nothing any more. Default: none. */
  pools?: readonly Pool[] | undefined
  /** Name of the table. Default `poolhouse_history`. */
  table?: string | undefined
  /**
   * How much later than its deadline a call may settle, in milliseconds, the stalls of this process
   * aside. Default 250.
   */
  graceMs?: number | undefined
  /**
   * What the reads promise their worker. Default: nothing. `no-lost-reads` needs a cluster that
   * loses nothing which it has shown: commits wait for a replica, and the one that has most is
   * promoted.
   */
  reads?: readonly ReadPromise[] | undefined
}

/** The verdict. */
export interface HistoryReport {
  /** Calls by what they told. */
  readonly counts: Readonly<
    Record<'acknowledged' | 'notExecuted' | 'unknown' | 'unsettled', number>
  >
  /** Longest time between two acknowledged writes, in milliseconds. */
  readonly longestWriteGapMs: number
  /** Longest time between two reads that were answered, in milliseconds. */
  readonly longestReadGapMs: number
  /** Everything that is wrong; empty is what one hopes for. */
  readonly violations: readonly Violation[]
}

// A read that another node has answered is cancelled, and its connection counts as lent until the
// server has confirmed that: two and a half seconds at most, by the rules of the pool. What is lent
// after that is lent for ever.
const CLEANED_MS = 3_000
const LOOK_AGAIN_MS = 5

/**
 * Compares what the workers were told with what the database holds. Rejects if the table cannot be
 * read.
 *
 * @example
 * const { violations, longestWriteGapMs } = await verifyHistory(history, { db: pool, pools: [db] })
 */
export async function verifyHistory(
  history: History,
  options: VerifyOptions,
): Promise<HistoryReport> {
  const { db, table = 'poolhouse_history', graceMs = 250, pools = [], reads = [] } = options
  const { rows } = await db.query<{ id: string; part: number; copies: number }>(
    `select id, part, count(*)::int as copies from ${table} group by id, part`,
  )
  const stored = new Map<string, Map<number, number>>()
  for (const { id, part, copies } of rows) {
    const parts = stored.get(id) ?? new Map<number, number>()
    stored.set(id, parts.set(part, copies))
  }
  const kept = new Set(stored.keys())
  const violations: Violation[] = []
  const add = (kind: ViolationKind, who: string, detail: string): void => {
    violations.push({ kind, who, detail })
  }
  for (const operation of history.operations) {
    judgeTime(operation, graceMs, history.stalls, add)
    if (operation.kind !== 'read') judgeWrite(operation, stored.get(operation.id), add)
    stored.delete(operation.id)
  }
  for (const id of stored.keys()) add('phantom', id, 'it was never written')
  judgeReads(history.operations, reads, kept, add)
  const idleBy = performance.now() + CLEANED_MS
  for (const pool of pools) {
    const { leased, pending } = await whenIdle(pool, idleBy)
    if (leased + pending > 0)
      add('leaked', pool.name, `${leased} connections lent, ${pending} callers waiting`)
  }
  for (const reason of history.unhandled) add('unhandled', 'process', String(reason))
  return {
    counts: countOutcomes(history.operations),
    longestWriteGapMs: longestGap(history.operations.filter(({ kind }) => kind !== 'read')),
    longestReadGapMs: longestGap(history.operations.filter(({ kind }) => kind === 'read')),
    violations,
  }
}

/** The statistics of the pool as soon as nothing is lent, or at the deadline. */
async function whenIdle(pool: Pool, deadline: number): Promise<PoolStats> {
  for (;;) {
    const stats = pool.stats()
    if (stats.leased + stats.pending === 0 || performance.now() > deadline) return stats
    await sleep(LOOK_AGAIN_MS)
  }
}

type Add = (kind: ViolationKind, who: string, detail: string) => void

function judgeTime(
  { id, deadlineMs, invokedAt, settledAt }: Operation,
  graceMs: number,
  stalls: readonly Stall[],
  add: Add,
): void {
  const deadline = invokedAt + deadlineMs
  if (settledAt === undefined) {
    add('unsettled', id, `invoked ${Math.round(performance.now() - invokedAt)} ms ago`)
  } else if (settledAt - stalledMs(stalls, deadline, settledAt) > deadline + graceMs) {
    add(
      'late',
      id,
      `took ${Math.round(settledAt - invokedAt)} ms, its deadline was ${deadlineMs} ms`,
    )
  }
}

/** For how long the process itself was late after the deadline. */
function stalledMs(stalls: readonly Stall[], deadline: number, settledAt: number): number {
  let sum = 0
  for (const { endedAt, ms } of stalls) {
    const from = Math.max(deadline, endedAt - ms)
    sum += Math.max(0, Math.min(settledAt, endedAt) - from)
  }
  return sum
}

function judgeWrite(
  { id, kind, outcome }: Operation,
  parts: Map<number, number> | undefined,
  add: Add,
): void {
  const expected = kind === 'pair' ? 2 : 1
  const present = parts?.size ?? 0
  for (const [part, copies] of parts ?? []) {
    if (copies > 1) add('duplicated', id, `part ${part} is there ${copies} times`)
  }
  if (present > 0 && present < expected) {
    add('torn', id, `${present} of ${expected} parts are there`)
    return
  }
  if (outcome === undefined) return
  if (outcome.kind === 'acknowledged') {
    if (present === 0) add('lost', id, 'it was acknowledged')
    return
  }
  const said = `${outcome.code ?? 'an error'} (${outcome.message}) said executed: ${outcome.executed}`
  switch (outcome.executed) {
    case 'no':
    case 'rolled-back':
      if (present > 0) add('wrong-executed', id, `${said}, and it is there`)
      return
    case 'yes':
      if (present === 0) add('wrong-executed', id, `${said}, and it is not there`)
      return
    case 'unstated':
      add('unstated', id, said)
      return
    case 'unknown':
      return
  }
}

function judgeReads(
  operations: readonly Operation[],
  promises: readonly ReadPromise[],
  kept: ReadonlySet<string>,
  add: Add,
): void {
  const reads = operations.filter(({ saw }) => saw !== undefined)
  for (const { id, saw = 0, mustSee = 0, missed = [], looksAt } of reads) {
    if (promises.includes('read-your-writes')) {
      if (saw < mustSee) add('stale-read', id, `saw ${saw}, and ${mustSee} had been acknowledged`)
      else if (missed.length > 0) {
        add(
          'stale-read',
          id,
          `saw ${saw} and not ${missed.join(', ')}, which had been acknowledged`,
        )
      }
    }
    if (promises.includes('no-lost-reads') && saw > 0 && !kept.has(`w${looksAt}-${saw}`)) {
      add('lost-read', id, `saw ${saw} of worker ${looksAt}, which is not there any more`)
    }
  }
  if (promises.includes('monotonic-reads')) judgeOrder(reads, add)
}

/**
 * Each read is compared with those of the same worker that were over before it began: some workers
 * have several under way.
 */
function judgeOrder(reads: readonly Operation[], add: Add): void {
  const over = [...reads].sort((one, other) => (one.settledAt ?? 0) - (other.settledAt ?? 0))
  const highest = new Map<number, number>()
  let next = 0
  for (const { id, worker, saw = 0, invokedAt } of reads) {
    for (; next < over.length && (over[next]!.settledAt ?? 0) <= invokedAt; next++) {
      const { worker: whose, saw: shown = 0, settledAt } = over[next]!
      if (settledAt !== undefined) highest.set(whose, Math.max(highest.get(whose) ?? 0, shown))
    }
    const before = highest.get(worker) ?? 0
    if (saw < before) add('backwards-read', id, `saw ${saw}, and ${before} before that`)
  }
}

function countOutcomes(operations: readonly Operation[]): HistoryReport['counts'] {
  const counts = { acknowledged: 0, notExecuted: 0, unknown: 0, unsettled: 0 }
  for (const { outcome } of operations) {
    if (outcome === undefined) counts.unsettled++
    else if (outcome.kind === 'acknowledged') counts.acknowledged++
    else if (outcome.executed === 'no' || outcome.executed === 'rolled-back') counts.notExecuted++
    else counts.unknown++
  }
  return counts
}

function longestGap(operations: readonly Operation[]): number {
  const times = operations
    .filter(({ outcome }) => outcome?.kind === 'acknowledged')
    .map(({ settledAt }) => settledAt!)
    .sort((a, b) => a - b)
  let longest = 0
  for (let index = 1; index < times.length; index++)
    longest = Math.max(longest, times[index]! - times[index - 1]!)
  return longest
}
