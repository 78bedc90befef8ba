import type { PoolConfig } from '../api/pool-config.js'
import type { LeaseSnapshot } from '../api/stats.js'
import { acquiredAt } from '../engine/leak-watch.js'
import type { Slot } from '../slot/slot.js'

/** What a lease looks like from outside. */
export function snapshotOf(slot: Slot, now: number, config: PoolConfig): LeaseSnapshot {
  const connection = slot.connection!
  const status = connection.transactionStatus()
  return Object.freeze({
    connection: slot.id,
    backendPid: connection.info.backendPid,
    heldMs: now - slot.leasedAt,
    state: connection.inFlight > 0 ? 'busy' : status === 'idle' ? 'idle' : 'idle in transaction',
    statement: slot.shownStatement(config),
    stack: acquiredAt(slot),
  })
}
