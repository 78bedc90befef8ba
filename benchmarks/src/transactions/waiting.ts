import { setTimeout as sleep } from 'node:timers/promises'
import { createPool, type Pool } from '@poolhouse/core'
import { nodePostgres } from '@poolhouse/node-postgres'
import type { Pool as PgPool } from 'pg'
import type { Sample } from '../interleave.js'
import { heap } from '../query/memory.js'

const CALLS = 50_000
// What would be collected is given back.
const held: unknown[] = []
const TEXT = 'select abalance from pgbench_accounts where aid = $1'

/** Makes a pool whose only connection is taken; what it returns makes one call that waits. */
type MakeWaiting = (url: string) => Promise<(key: number) => Promise<unknown>>

const poolhouse =
  (call: (pool: Pool, key: number) => Promise<unknown>): MakeWaiting =>
  async (connection) => {
    const pool = createPool({
      driver: nodePostgres(),
      connection,
      max: 1,
      maxPending: 2 * CALLS,
      acquireTimeoutMs: 60_000,
    })
    held.push(await pool.acquire())
    return (key) => call(pool, key)
  }

const pgPool =
  (call: (pool: PgPool, key: number) => Promise<unknown>): MakeWaiting =>
  async (connectionString) => {
    const { default: pg } = await import('pg')
    const pool = new pg.Pool({ connectionString, max: 1 })
    held.push(await pool.connect())
    return (key) => call(pool, key)
  }

/** Who waits for a connection, and what for. */
export const waitingCalls: Readonly<Record<string, MakeWaiting>> = {
  poolhouse: poolhouse((pool, key) => pool.query(TEXT, [key])),
  'poolhouse, acquire': poolhouse((pool) => pool.acquire()),
  'poolhouse, use': poolhouse((pool) => pool.use(async () => {})),
  'poolhouse, transaction': poolhouse((pool) => pool.transaction(async () => {})),
  'pg.Pool': pgPool((pool, key) => pool.query(TEXT, [key])),
  'pg.Pool, connect': pgPool((pool) => pool.connect()),
}

/** What one call weighs that waits for a connection. */
export async function waitingCall(variant: string, url: string): Promise<Sample> {
  const call = await waitingCalls[variant]!(url)
  let settled = 0
  const settle = (): void => {
    settled++
  }
  const wait = (count: number): void => {
    for (let key = 0; key < count; key++) void call(key).then(settle, settle)
  }
  // Not weighed: with them comes what the engine compiles and caches on the way.
  wait(CALLS / 10)
  await sleep(50)
  const before = await heap()
  wait(CALLS)
  const bytes = ((await heap()) - before) / CALLS
  if (settled > 0 || held.length !== 1) throw new Error(`${settled} waiting calls were settled`)
  return { 'bytes each': bytes }
}
