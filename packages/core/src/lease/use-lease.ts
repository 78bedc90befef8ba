import type { Lease } from '../api/lease.js'
import type { AcquireOptions, ConnectionPool } from '../api/pool.js'
import { tracing } from '../api/tracing.js'
import { checkFunction } from '../base/option-check.js'
import type { DeadlockWatch } from '../engine/deadlock-watch.js'
import type { PoolLease } from './pool-lease.js'

type Lender = Pick<ConnectionPool, 'acquire' | 'tryAcquire'>

/** A connection that is free at once, which costs no promise. */
function freeOf(pool: Lender, options: AcquireOptions | undefined): Lease | undefined {
  return options === undefined && !tracing.acquire.hasSubscribers ? pool.tryAcquire() : undefined
}

/** Runs `work` with a lease of the pool, and gives it back. */
export function useLease<R>(
  pool: Lender,
  deadlocks: DeadlockWatch,
  work: (lease: Lease) => Promise<R>,
  options: AcquireOptions | undefined,
): Promise<R> {
  // A function of its own, by which a deadlock finds this call on a stack.
  const run = async (): Promise<R> => {
    checkFunction('use', work, 'work')
    const lease = (freeOf(pool, options) ?? (await pool.acquire(options))) as PoolLease
    try {
      return await deadlocks.hold(lease.slot, run, work, lease)
    } finally {
      // `work` may have released or destroyed it itself.
      if (lease.valid) lease.release()
    }
  }
  return run()
}
