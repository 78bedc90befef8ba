import { isPoolhouseError, type Lease, type Pool, type PoolOptions } from '@poolhouse/core'
import type { FaultProxy } from '../fault-proxy/fault-proxy.js'
import type { ConformanceArea, ConformanceCase } from './conformance-case.js'
import { ServerContext, type ServerContextParts } from './server-context.js'
import { until } from './waiting.js'

/** A case for pools. */
export type PoolCase = ConformanceCase<PoolContext>
/** Cases for pools that belong together. */
export type PoolArea = ConformanceArea<PoolContext>

/** Options of the connection pool to the primary that is under the pool to make; the driver is the maker's. */
export type PoolParts = Omit<PoolOptions, 'driver'>

/** Makes a pool that leads to the server of `parts.connection`. Each case makes its own and closes it. */
export type MakePool = (parts: PoolParts) => Pool | Promise<Pool>

/** What a context for a pool is made of. */
export interface PoolContextParts extends ServerContextParts {
  /** Makes the pool under test. */
  readonly makePool: MakePool
}

/** Longest time for the first connection of a pool. */
const FIRST_CALL_MS = 10_000

/** What a case for pools works with: pools on a real server, over a line that can be broken. */
export class PoolContext extends ServerContext {
  readonly #makePool: MakePool
  readonly #pools: Pool[] = []

  /** Makes a context with a line of its own. */
  static async start(parts: PoolContextParts): Promise<PoolContext> {
    return new PoolContext(parts, await ServerContext.openLine(parts))
  }

  private constructor(parts: PoolContextParts, line: FaultProxy) {
    super(parts, line)
    this.#makePool = parts.makePool
  }

  /** A pool over the line, which has served a call already; closed when the case is over. */
  async pool(options: Omit<PoolParts, 'connection'> = {}): Promise<Pool> {
    const { server, line } = this
    const pool = await this.#makePool({
      max: 4,
      ...options,
      connection: {
        host: line.host,
        port: line.port,
        user: server.user,
        password: server.password,
        database: server.database,
        applicationName: this.applicationName,
        ssl: false,
      },
    })
    this.#pools.push(pool)
    await until(() => serves(pool), 'the pool to serve', FIRST_CALL_MS)
    return pool
  }

  /** The process of the server behind a lease, or behind a single call of a pool with one connection. */
  async pidOf(pool: Pick<Pool | Lease, 'query'>): Promise<number> {
    const { rows } = await pool.query<{ pid: number }>('select pg_backend_pid() as pid')
    return rows[0]!.pid
  }

  /** The numbers in a table of one column `n`, in order. */
  async numbersIn(table: string): Promise<number[]> {
    const rows = await this.server.sql<{ n: number }>(`select n from ${table} order by n`)
    return rows.map(({ n }) => n)
  }

  /** How often a statement has been sent from now on. */
  countOf(text: string): () => number {
    let count = 0
    this.line.onStatement((seen) => {
      if (seen === text) count++
    })
    return () => count
  }

  protected override async settle(): Promise<string[]> {
    const wrong: string[] = []
    for (const pool of this.#pools) wrong.push(...(await closeAndCount(pool)))
    return wrong
  }

  protected override async verdict(): Promise<string[]> {
    return []
  }
}

/** Whether a pool has served a call; not before its first connection is there, however short its deadlines are. */
async function serves(pool: Pool): Promise<boolean> {
  try {
    await pool.query('select 1')
    return true
  } catch (error) {
    if (isPoolhouseError(error) && error.name === 'AcquireTimeoutError') return false
    throw error
  }
}

/** Closes a pool and gives what does not add up. */
async function closeAndCount(pool: Pool): Promise<string[]> {
  const wrong: string[] = []
  const settled = (): boolean => {
    const { total, idle, leased, connecting } = pool.stats()
    return total === idle + leased + connecting
  }
  if (!settled()) wrong.push(`statistics do not add up: ${JSON.stringify(pool.stats())}`)
  await pool.close({ timeoutMs: 0 })
  const empty = (): boolean => {
    const { total, pending, counters } = pool.stats()
    return total === 0 && pending === 0 && counters.created === counters.destroyed
  }
  await until(empty, 'the closed pool to be empty', 1_000).catch(() => {
    wrong.push(`after close the statistics are ${JSON.stringify(pool.stats())}`)
  })
  return wrong
}
