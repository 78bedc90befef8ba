import type { CloseOptions } from '@poolhouse/core'
import type { DatabasePool } from '../options/database-pool.js'
import type { TenantGate } from './tenant-gate.js'

/** Pools that only one tenant uses. */
export interface OwnPools {
  /** Whether any are open, and whether calls are under way or waiting there. */
  readonly member: { readonly open: boolean; readonly busy: boolean }
  /** Closes them; by default waiting calls are served first. */
  leave(options: CloseOptions | undefined): Promise<void>
}

/** What the calls of a tenant go through: pools of its own, or a gate to shared ones. */
export interface TenantPools {
  readonly pool: DatabasePool
  readonly own: OwnPools | undefined
  readonly gate: TenantGate | undefined
}

/** A resolved tenant. */
export interface Tenant extends TenantPools {
  readonly id: string
  /** What `resolve` answered, to notice when its answer changes. */
  readonly target: unknown
  /** When it must be resolved again. */
  expiresAt: number
  /** When a call last came for it. */
  usedAt: number
  /** Whether the directory has dropped it: ask there again. */
  gone: boolean
}

/** Whether calls are under way or waiting. */
export function isBusy({ own, gate }: Tenant): boolean {
  return own?.member.busy === true || (gate?.size ?? 0) > 0
}
