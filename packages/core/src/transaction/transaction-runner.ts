import { RESET_AROUND, resetsAround } from '../api/call-options.js'
import type { AcquireOptions, Pool } from '../api/pool.js'
import {
  checkTransactionOptions,
  type Transaction,
  type TransactionOptions,
} from '../api/transaction.js'
import { Backoff } from '../base/backoff.js'
import { sleep } from '../base/clock.js'
import { checkFunction } from '../base/option-check.js'
import { unwatchSignal, watchSignal } from '../base/watch-signal.js'
import type { PoolEngine } from '../engine/pool-engine.js'
import type { PoolLease } from '../lease/pool-lease.js'
import { isRepeatable } from '../outcome/error-meaning.js'
import { AbortError } from '../outcome/errors.js'
import { isResetFailure } from '../outcome/reset-failure.js'
import { KeyedWork } from './idempotency.js'
import { OpenTransaction } from './open-transaction.js'
import { stoppedByTimeout } from './transaction-errors.js'

/** Where a transaction runs. */
interface Place {
  /** Lends the connections. */
  readonly pool: Pick<Pool, 'name' | 'acquire'>
  /** What lies under the pool. */
  readonly engine: Pick<PoolEngine, 'clock' | 'config' | 'deadlocks'>
}

// How long after its first failure a transaction with a key is tried again, if the caller set no
// limit.
const KEYED_MS = 10_000

/**
 * Runs `work` in a transaction, again if the caller declared that and the last attempt is known not
 * to have happened, or has a key.
 */
export async function runTransaction<R>(
  place: Place,
  work: (tx: Transaction) => Promise<R>,
  given: TransactionOptions = {},
): Promise<R> {
  checkTransactionOptions(given)
  // As they are now: an attempt may begin much later.
  const options = { ...given }
  checkFunction('transaction', work, 'work')
  const { idempotencyKey, idempotencyScope, retry, signal, timeoutMs } = options
  if (idempotencyKey !== undefined) {
    const keyed = new KeyedWork(idempotencyKey, work, idempotencyScope)
    return await runKeyed(place, keyed, options)
  }
  const { clock } = place.engine
  const attempts = retry?.attempts ?? 1
  const backoff = backoffOf(place)
  const deadline = timeoutMs === undefined ? Number.POSITIVE_INFINITY : clock.now() + timeoutMs
  let limited = options
  for (let attempt = 1; ; attempt++) {
    try {
      return await attemptWhereClean(place, work, limited)
    } catch (error) {
      const leftMs = deadline - clock.now()
      const pauseMs = backoff.next()
      const again = attempt < attempts && isRepeatable(error, options.readOnly) && leftMs > pauseMs
      if (!again || signal?.aborted) throw error
      await sleep(clock, pauseMs, signal)
    }
    if (timeoutMs !== undefined) {
      limited = { ...options, timeoutMs: Math.max(1, deadline - clock.now()) }
    }
  }
}

async function runKeyed<R>(
  place: Place,
  keyed: KeyedWork<R>,
  options: TransactionOptions,
): Promise<R> {
  const { clock } = place.engine
  const { timeoutMs, signal } = options
  const attempts = options.retry?.attempts ?? 1
  const backoff = backoffOf(place)
  let deadline = timeoutMs === undefined ? undefined : clock.now() + timeoutMs
  for (let failures = 0; ; ) {
    const leftMs = timeoutMs === undefined ? undefined : Math.max(1, deadline! - clock.now())
    try {
      return await attemptWhereClean(place, (tx) => keyed.run(tx), {
        ...options,
        timeoutMs: leftMs,
      })
    } catch (error) {
      const mayRepeat = keyed.repeats(error) || (++failures < attempts && isRepeatable(error))
      deadline ??= clock.now() + KEYED_MS
      if (!mayRepeat || clock.now() >= deadline || signal?.aborted) throw keyed.surfaced(error)
    }
    await sleep(clock, Math.max(1, Math.min(backoff.next(), deadline - clock.now())), signal)
  }
}

function backoffOf({ engine }: Place): Backoff {
  return new Backoff({ baseMs: 5, maxMs: 500, random: engine.config.random })
}

/** One attempt, which goes to another connection as long as one cannot be reset before BEGIN. */
async function attemptWhereClean<R>(
  place: Place,
  work: (tx: Transaction) => Promise<R>,
  options: TransactionOptions,
): Promise<R> {
  const { clock } = place.engine
  const deadline = options.timeoutMs && clock.now() + options.timeoutMs
  let left = options
  for (;;) {
    try {
      return await attemptTransaction(place, work, left)
    } catch (error) {
      if (!isResetFailure(error)) throw error
    }
    if (deadline) left = { ...options, timeoutMs: Math.max(1, deadline - clock.now()) }
  }
}

async function attemptTransaction<R>(
  place: Place,
  work: (tx: Transaction) => Promise<R>,
  options: TransactionOptions,
): Promise<R> {
  const { pool, engine } = place
  const { clock } = engine
  const { signal, timeoutMs } = options
  const lease = (await pool.acquire(acquireOptionsOf(options))) as PoolLease
  const tx = new OpenTransaction(lease, pool.name, clock, options)
  const onAbort = (): void => tx.stop(new AbortError(signal!.reason, 'rolled-back'))
  const timer =
    timeoutMs === undefined
      ? undefined
      : clock.setTimer(
          () => clock.afterIo(() => tx.stop(stoppedByTimeout(timeoutMs, pool.name))),
          timeoutMs,
          { keepAlive: true },
        )
  watchSignal(signal, onAbort)
  try {
    if (signal?.aborted) throw new AbortError(signal.reason, 'no')
    await tx.begin()
    return await engine.deadlocks.hold(lease.slot, () => tx.complete(work))
  } finally {
    timer?.cancel()
    unwatchSignal(signal, onAbort)
    tx.end()
    if (lease.valid) lease.release()
  }
}

function acquireOptionsOf(options: TransactionOptions): AcquireOptions | undefined {
  const { signal } = options
  if (resetsAround(options)) return { signal, [RESET_AROUND]: true } as AcquireOptions
  return signal && { signal }
}
