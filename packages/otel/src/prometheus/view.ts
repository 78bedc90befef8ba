import type { PoolStats } from '@poolhouse/core'
import type { Observable, ObservedPool } from '@poolhouse/core/kit'
import type { EventCounts } from './event-counts.js'
import { tenantName } from './tenant-name.js'

/** One pool of connections to one server. */
interface ServerPoolView {
  /** The pool or database that it belongs to. */
  readonly database: string
  /** Its own name. */
  readonly name: string
  readonly stats: PoolStats
}

/** Everything that one scrape shows, read at one moment. */
export interface View {
  readonly observable: Observable
  /** The pools and databases; with `tenants` the tenants too, each of another name. */
  readonly pools: readonly (ObservedPool & { readonly now: PoolStats })[]
  /** The pools of connections below them. */
  readonly serverPools: readonly ServerPoolView[]
  readonly counts: EventCounts
}

/** Reads everything. */
export function look(observable: Observable, counts: EventCounts, tenants: boolean): View {
  const all = observable.pools().filter(({ kind }) => tenants || kind === 'database')
  const databases = new Set(all.flatMap(({ kind, name }) => (kind === 'database' ? [name] : [])))
  const pools = all.map((pool) => {
    const name = pool.kind === 'tenant' ? tenantName(pool.name, databases) : pool.name
    return { ...pool, name, now: pool.stats() }
  })
  const serverPools = new Map<string, ServerPoolView>()
  for (const { name: database, kind, now } of pools) {
    for (const [name, stats] of Object.entries(now.nodes ?? { [database]: now })) {
      // A pool that belongs to two databases counts once; those of tenants are their own.
      const key = `${kind} ${name}`
      if (!serverPools.has(key)) serverPools.set(key, { database, name, stats })
    }
  }
  return { observable, pools, serverPools: [...serverPools.values()], counts }
}
