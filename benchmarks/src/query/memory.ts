import { setTimeout as sleep } from 'node:timers/promises'
import { createPool, type Driver } from '@poolhouse/core'
import { nodePostgres } from '@poolhouse/node-postgres'
import { postgresJs } from '@poolhouse/postgres-js'
import pg from 'pg'
import { median } from '../interleave.js'

const CONNECTIONS = 20
const BATCHES = 6
const POOLS = 1_000

/** Heap in use when everything that could be collected is. */
export async function heap(): Promise<number> {
  return (await memory()).heapUsed
}

async function memory(): Promise<NodeJS.MemoryUsage> {
  for (let i = 0; i < 3; i++) {
    await sleep(50)
    globalThis.gc?.()
  }
  return process.memoryUsage()
}

/**
 * Makes what holds the connections, which is not weighed; what it returns opens `count` of them
 * that have run a statement and are idle.
 */
type Holder = (url: string, count: number) => () => Promise<unknown>

const poolhouse =
  (makeDriver: () => Driver): Holder =>
  (connection, max) => {
    const pool = createPool({ driver: makeDriver(), connection, max })
    return async () => {
      const leases = await Promise.all(Array.from({ length: max }, () => pool.acquire()))
      await Promise.all(leases.map((lease) => lease.query('select 1')))
      for (const lease of leases) lease.release()
      return pool
    }
  }

const holders: Readonly<Record<string, Holder>> = {
  poolhouse: poolhouse(nodePostgres),
  'poolhouse over postgres.js': poolhouse(postgresJs),
  'pg.Pool': (connectionString, max) => {
    const pool = new pg.Pool({ connectionString, max, idleTimeoutMillis: 60_000 })
    return async () => {
      const clients = await Promise.all(Array.from({ length: max }, () => pool.connect()))
      await Promise.all(clients.map((client) => client.query('select 1')))
      for (const client of clients) client.release()
      return pool
    }
  },
  'pg.Client': (connectionString, count) => async () => {
    const clients = Array.from({ length: count }, () => new pg.Client({ connectionString }))
    await Promise.all(clients.map((client) => client.connect()))
    await Promise.all(clients.map((client) => client.query('select 1')))
    return clients
  },
}

/** Who can be asked what an idle connection weighs. */
export const connectionHolders: readonly string[] = Object.keys(holders)

/**
 * What one idle connection weighs: on the heap, and in buffers beside it.
 */
export async function idleConnections(
  variant: string,
  url: string,
): Promise<Readonly<Record<string, number>>> {
  const kept: unknown[] = []
  const batches: { bytes: number; buffers: number }[] = []
  const weigh = async (): Promise<void> => {
    const open = holders[variant]!(url, CONNECTIONS)
    const before = await memory()
    kept.push(await open())
    const after = await memory()
    batches.push({
      bytes: (after.heapUsed - before.heapUsed) / CONNECTIONS,
      buffers: (after.arrayBuffers - before.arrayBuffers) / CONNECTIONS,
    })
  }
  // Not weighed: with it comes what the engine compiles and caches on the way.
  await weigh()
  batches.length = 0
  // Several, because between two of them V8 takes or gives back some 100 KiB of its own.
  for (let batch = 0; batch < BATCHES; batch++) await weigh()
  if (kept.length === 0) throw new Error('unreachable, and keeps the connections reachable')
  return {
    'bytes each': median(batches.map(({ bytes }) => bytes)),
    'buffer bytes each': median(batches.map(({ buffers }) => buffers)),
  }
}

/** What 1,000 pools without a connection weigh. */
export async function idlePools(variant: string): Promise<Readonly<Record<string, number>>> {
  const connection = 'postgres://app@localhost/app'
  // One driver for all, as the manager has it.
  const driver = nodePostgres()
  const make: () => unknown =
    variant === 'poolhouse'
      ? () => createPool({ driver, connection })
      : () => new pg.Pool({ connectionString: connection })
  const pools = Array.from({ length: POOLS }, make)
  const before = await heap()
  pools.push(...Array.from({ length: POOLS }, make))
  const kib = ((await heap()) - before) / 1_024
  if (pools.length !== 2 * POOLS) throw new Error('unreachable, and keeps the pools reachable')
  return { KiB: kib }
}
