import type { Lease } from '../api/lease.js'
import type { LeaseWaiter } from '../engine/leak-watch.js'
import type { PoolEngine } from '../engine/pool-engine.js'
import type { Slot } from '../slot/slot.js'
import { PoolLease } from './pool-lease.js'

/**
 * Makes the lease of a connection that has just been lent; `waiter` is the call that had to wait
 * for it. With `resetAround` the session is reset before and after the lease, unless a pooler
 * stands in between.
 */
export function makeLease(
  engine: PoolEngine,
  slot: Slot,
  resetAround: boolean,
  waiter?: LeaseWaiter,
): Lease {
  if (resetAround && engine.pooler === undefined) slot.resetAround()
  const lease = new PoolLease(engine, slot)
  engine.leaks.made(slot, lease, waiter)
  return lease
}
