import { RESET_AROUND, resetsAround } from '../api/call-options.js'
import type { AcquireOptions, ConnectionPool } from '../api/pool.js'
import type { QueryResult, Statement } from '../api/statement.js'
import { tracing } from '../api/tracing.js'
import {
  checkTransactionOptions,
  type Transaction,
  type TransactionOptions,
} from '../api/transaction.js'
import { Backoff } from '../base/backoff.js'
import { type Clock, sleep } from '../base/clock.js'
import { unwatchSignal, watchSignal } from '../base/watch-signal.js'
import type { PoolEngine } from '../engine/pool-engine.js'
import type { PoolLease } from '../lease/pool-lease.js'
import { isRepeatable } from '../outcome/error-meaning.js'
import { AbortError } from '../outcome/errors.js'
import { isResetFailure } from '../outcome/reset-failure.js'
import { oneByOne, readWork, statementsOf } from '../statement/statement-list.js'
import { ArrayTransaction } from './array-transaction.js'
import { KeyedWork } from './idempotency.js'
import { OpenTransaction } from './open-transaction.js'
import { NO_OPTIONS } from './opening.js'
import { stoppedByTimeout } from './transaction-errors.js'
import { less } from './transaction-limits.js'

/** Lends the connections of transactions. */
type Lender = Pick<ConnectionPool, 'name' | 'acquire' | 'tryAcquire'>

/** What lies under the lender. */
type Underneath = Pick<PoolEngine, 'clock' | 'config' | 'deadlocks'>

type Work<R> = (tx: Transaction) => Promise<R>

// How long after its first failure a transaction with a key is tried again, if the caller set no
// limit.
const KEYED_MS = 10_000

/**
 * Runs `work` in a transaction, again if the caller declared that and the last attempt is known not
 * to have happened, or has a key.
 */
export function runTransaction<R>(
  pool: Lender,
  engine: Underneath,
  work: Work<R> | readonly (Statement | string)[],
  given: TransactionOptions | undefined,
): Promise<R> {
  // Measured: one async function on the way of a transaction without options.
  return given === undefined && typeof work === 'function'
    ? attempt(pool, engine, work, NO_OPTIONS)
    : runWith(pool, engine, work, given === undefined ? {} : given)
}

async function runWith<R>(
  pool: Lender,
  engine: Underneath,
  asked: Work<R> | readonly (Statement | string)[],
  given: TransactionOptions,
): Promise<R> {
  checkTransactionOptions(given)
  // As they are now: an attempt may begin much later.
  const options = { ...given }
  const work = readWork(asked)
  const { idempotencyKey, idempotencyScope, retry, signal, timeoutMs } = options
  if (idempotencyKey !== undefined) {
    const keyed = new KeyedWork(idempotencyKey, work, idempotencyScope)
    return await runKeyed(pool, engine, keyed, options)
  }
  const { clock } = engine
  const attempts = retry?.attempts ?? 1
  const deadline = timeoutMs === undefined ? Number.POSITIVE_INFINITY : clock.now() + timeoutMs
  let backoff: Backoff | undefined
  let limited = options
  for (let failures = 1; ; failures++) {
    try {
      return await attempt(pool, engine, work, limited)
    } catch (error) {
      if (failures >= attempts || !isRepeatable(error, options.readOnly)) throw error
      backoff ??= backoffOf(engine)
      const pauseMs = backoff.next()
      if (deadline - clock.now() <= pauseMs || signal?.aborted) throw error
      await sleep(clock, pauseMs, signal)
    }
    if (timeoutMs !== undefined) {
      limited = { ...options, timeoutMs: Math.max(1, deadline - clock.now()) }
    }
  }
}

async function runKeyed<R>(
  pool: Lender,
  engine: Underneath,
  keyed: KeyedWork<R>,
  options: TransactionOptions,
): Promise<R> {
  const { clock } = engine
  const { timeoutMs, signal } = options
  const attempts = options.retry?.attempts ?? 1
  const backoff = backoffOf(engine)
  let deadline = timeoutMs === undefined ? undefined : clock.now() + timeoutMs
  for (let failures = 0; ; ) {
    const leftMs = timeoutMs === undefined ? undefined : Math.max(1, deadline! - clock.now())
    try {
      return await attempt(pool, engine, (tx) => keyed.run(tx), { ...options, timeoutMs: leftMs })
    } catch (error) {
      const mayRepeat = keyed.repeats(error) || (++failures < attempts && isRepeatable(error))
      deadline ??= clock.now() + KEYED_MS
      if (!mayRepeat || clock.now() >= deadline || signal?.aborted) throw keyed.surfaced(error)
    }
    await sleep(clock, Math.max(1, Math.min(backoff.next(), deadline - clock.now())), signal)
  }
}

function backoffOf({ config }: Underneath): Backoff {
  return new Backoff({ baseMs: 5, maxMs: 500, random: config.random })
}

/** One attempt. It goes to another connection as long as one cannot be reset before BEGIN. */
function attempt<R>(
  pool: Lender,
  engine: Underneath,
  work: Work<R>,
  options: TransactionOptions,
): Promise<R> {
  const statements = statementsOf(work)
  if (statements !== undefined && ArrayTransaction.takes(statements, options)) {
    return attemptArray(pool, engine, work, statements, options)
  }
  const { clock, deadlocks } = engine
  const { timeoutMs } = options
  const deadline = timeoutMs && clock.now() + timeoutMs
  let left = options
  // A function of its own, by which a deadlock finds this attempt on a stack.
  const run = async (): Promise<R> => {
    for (;;) {
      const lease = (takeNow(pool, options) ??
        (await pool.acquire(acquireOptionsOf(options)))) as PoolLease
      const tx = new OpenTransaction(lease, pool.name, clock, left)
      const unwatch = watchLimits(tx, pool.name, clock, left)
      let hasBegun = false
      try {
        if (left.signal?.aborted) throw new AbortError(left.signal.reason, 'no')
        if (tx.beginsApart) await tx.begin()
        hasBegun = true
        const result = await (unwatch === undefined
          ? deadlocks.hold(lease.slot, run, work, tx)
          : tx.untilStopped(() => deadlocks.hold(lease.slot, run, work, tx)))
        tx.returned()
        const committing = tx.commit()
        if (committing === undefined) return result
        let answer: QueryResult | undefined
        try {
          answer = await committing
        } catch (error) {
          tx.commitFailed(error)
          return result
        }
        tx.committed(answer)
        return result
      } catch (error) {
        const told = await tx.failed(error)
        if (hasBegun || !isResetFailure(told)) throw told
      } finally {
        unwatch?.()
        tx.end()
        if (lease.valid) lease.release()
      }
      if (deadline) left = { ...options, timeoutMs: Math.max(1, deadline - clock.now()) }
    }
  }
  return run()
}

/** One attempt of an array of statements, as `attempt`. */
async function attemptArray<R>(
  pool: Lender,
  engine: Underneath,
  work: Work<R>,
  statements: readonly Statement[],
  options: TransactionOptions,
): Promise<R> {
  const { clock } = engine
  const { timeoutMs } = options
  const deadline = timeoutMs && clock.now() + timeoutMs
  let left = options
  for (;;) {
    const lease = (takeNow(pool, options) ??
      (await pool.acquire(acquireOptionsOf(options)))) as PoolLease
    const limits = left
    const since = clock.now()
    const alone = (): Promise<QueryResult[]> =>
      runAlone(lease, pool, clock, statements, less(limits, clock.now() - since)!)
    const tx = new ArrayTransaction(lease, pool.name, clock, left, alone)
    const unwatch = watchLimits(tx, pool.name, clock, left)
    try {
      if (left.signal?.aborted) throw new AbortError(left.signal.reason, 'no')
      await tx.begin()
      return await work(tx.given)
    } catch (error) {
      if (!isResetFailure(error)) throw error
    } finally {
      unwatch?.()
      tx.end()
      if (lease.valid) lease.release()
    }
    if (deadline) left = { ...options, timeoutMs: Math.max(1, deadline - clock.now()) }
  }
}

/** Runs the statements of an array one by one, on a connection that cannot join them. */
async function runAlone(
  lease: PoolLease,
  pool: Lender,
  clock: Clock,
  statements: readonly Statement[],
  options: TransactionOptions,
): Promise<QueryResult[]> {
  const tx = new OpenTransaction(lease, pool.name, clock, options)
  const unwatch = watchLimits(tx, pool.name, clock, options)
  const work = (): Promise<QueryResult[]> => oneByOne(tx, statements)
  try {
    // Its signal may have fired since the statements were refused as one step.
    if (options.signal?.aborted) throw new AbortError(options.signal.reason, 'no')
    if (tx.beginsApart) await tx.begin()
    const results = await (unwatch === undefined ? work() : tx.untilStopped(work))
    tx.returned()
    await commit(tx)
    return results
  } catch (error) {
    throw await tx.failed(error)
  } finally {
    unwatch?.()
    tx.end()
  }
}

/** Commits, as `attempt` does without an async function more. */
async function commit(tx: OpenTransaction): Promise<void> {
  const committing = tx.commit()
  if (committing === undefined) return
  let answer: QueryResult | undefined
  try {
    answer = await committing
  } catch (error) {
    tx.commitFailed(error)
    return
  }
  tx.committed(answer)
}

/** A connection that is free at once, which costs no promise. */
function takeNow(pool: Lender, options: TransactionOptions): unknown {
  if (options !== NO_OPTIONS || tracing.acquire.hasSubscribers) return undefined
  return pool.tryAcquire()
}

/** Ends the transaction when its time is over or its signal fires; returns how to stop that. */
function watchLimits(
  tx: Pick<OpenTransaction, 'stop'>,
  pool: string,
  clock: Clock,
  { signal, timeoutMs }: TransactionOptions,
): (() => void) | undefined {
  if (signal === undefined && timeoutMs === undefined) return undefined
  const onAbort = (): void => tx.stop(new AbortError(signal!.reason, 'rolled-back'))
  const timer =
    timeoutMs === undefined
      ? undefined
      : clock.setTimer(
          () => clock.afterIo(() => tx.stop(stoppedByTimeout(timeoutMs, pool))),
          timeoutMs,
          { keepAlive: true },
        )
  watchSignal(signal, onAbort)
  return () => {
    timer?.cancel()
    unwatchSignal(signal, onAbort)
  }
}

function acquireOptionsOf(options: TransactionOptions): AcquireOptions | undefined {
  const { signal } = options
  if (resetsAround(options)) return { signal, [RESET_AROUND]: true } as AcquireOptions
  return signal && { signal }
}
