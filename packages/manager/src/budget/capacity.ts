import type { ConnectionPool } from '@poolhouse/core'
import type { Budgets } from './budgets.js'

// What ordinary roles may have: the rest is kept for superusers and, since PostgreSQL 16, for pg_use_reserved_connections.
const CAPACITY = `select current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
  - coalesce(current_setting('reserved_connections', true)::int, 0) as allowed`
const URGENT = 1_000
const LONGEST_MS = 5_000

/** Asks the server of a pool, with the pool's first connection, how many connections it allows, where that is not known and matters. */
export function measureCapacity(pool: ConnectionPool, budgets: Budgets): void {
  const { endpoint } = pool
  // A pooler between us and the server has limits of its own.
  if (pool.pooler !== undefined || !budgets.asks(endpoint)) return
  const ask = (): void => {
    pool.off('connect', ask)
    if (!budgets.asks(endpoint)) return
    // Before those who wait: what it says may let all of them go on.
    pool
      .use((lease) => lease.query<{ allowed: number }>(CAPACITY, [], { timeoutMs: LONGEST_MS }), {
        priority: URGENT,
        timeoutMs: LONGEST_MS,
      })
      .then(
        ({ rows }) => budgets.learn(endpoint, Number(rows[0]?.allowed)),
        // Asked again with the next connection; until then the careful limit holds.
        () => pool.on('connect', ask),
      )
  }
  pool.on('connect', ask)
}
