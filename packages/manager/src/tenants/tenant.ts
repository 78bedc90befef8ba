import type { Member } from '../cluster/database-member.js'
import type { Cluster } from '../cluster/server-group.js'
import type { DatabasePool } from '../options/database-pool.js'
import type { TenantGate } from './tenant-gate.js'

/** A tenant that is known: where its data is, and the pool that leads there. */
export interface Tenant {
  readonly id: string
  /** What `resolve` answered, to see whether it still does. */
  readonly target: unknown
  readonly pool: DatabasePool
  /** Its own pools, where it has any. */
  readonly own: { readonly member: Member; readonly cluster: Cluster } | undefined
  /** Its place at the pools of all, where it has none of its own. */
  readonly gate: TenantGate | undefined
  /** When it must be resolved again. */
  expiresAt: number
  /** When a call last came for it. */
  usedAt: number
  /** It is not kept any more: ask again. */
  gone: boolean
}

/** Whether something is under way or waits. */
export function isBusy({ own, gate }: Tenant): boolean {
  return own?.member.busy === true || (gate?.size ?? 0) > 0
}
