import {
  isPoolhouseError,
  type Lease,
  type Pool,
  type PoolStats,
  type Transaction,
} from '@poolhouse/core'
import { type FaultProxy, startFaultProxy } from '../../fault-proxy/fault-proxy.js'
import type { ConformanceArea, ConformanceCase } from '../run/conformance-case.js'
import { until } from '../run/waiting.js'
import { ServerContext, type ServerContextParts } from '../server/server-context.js'
import type { ReplicaUnderTest, ServerUnderTest } from '../server/server-under-test.js'
import type { MakePool, PartOfMany, PoolFeature, PoolParts, PoolReads } from './pool-traits.js'

/** A case for pools. */
export interface PoolCase extends ConformanceCase<PoolContext> {
  readonly needs?: readonly PoolFeature[]
  readonly lacks?: PoolFeature
}
/** Cases for pools that belong together. */
export interface PoolArea extends ConformanceArea<PoolContext> {
  readonly needs?: readonly PoolFeature[]
  readonly cases: readonly PoolCase[]
}

/** What a context for a pool is made of. */
export interface PoolContextParts extends ServerContextParts {
  /** Makes the pool under test. */
  readonly makePool: MakePool
  /** What it does not offer. Default: it offers everything that the cluster allows. */
  readonly without?: readonly PoolFeature[] | undefined
}

/** Longest time for the first connection of a pool. */
const FIRST_CALL_MS = 10_000

/** What a case for pools works with: pools on a real server, over a line that can be broken. */
export class PoolContext extends ServerContext {
  readonly #makePool: MakePool
  readonly #without: readonly PoolFeature[]
  readonly #pools: PartOfMany[] = []

  /** Makes a context with a line of its own. */
  static async start(parts: PoolContextParts): Promise<PoolContext> {
    const { host, port } = serverBehind(parts)
    return new PoolContext(parts, await startFaultProxy({ host, port }))
  }

  private constructor(parts: PoolContextParts, line: FaultProxy) {
    super(parts, line)
    this.#makePool = parts.makePool
    this.#without = parts.without ?? []
  }

  /** Whether the pool is not declared to lack this. */
  offers(feature: PoolFeature): boolean {
    return !this.#without.includes(feature)
  }

  protected override get behind(): ServerUnderTest | ReplicaUnderTest {
    return serverBehind({ server: this.server, without: this.#without })
  }

  /** A pool over the line, which has served a call already; closed when the case is over. */
  async pool(options: Omit<PoolParts, 'connection'> = {}, reads: PoolReads = {}): Promise<Pool> {
    const parts: PoolParts = {
      max: 4,
      ...options,
      connection: { ...this.loginOver(this.line), ssl: false },
    }
    const made = await this.#makePool(parts, reads)
    const part: PartOfMany = 'whole' in made ? made : { pool: made, whole: made }
    this.#pools.push(part)
    await until(() => serves(part.before ?? part.pool), 'the pool to serve', FIRST_CALL_MS)
    return part.pool
  }

  /** A table that every role may use, on all servers. */
  override async table(columns: string): Promise<string> {
    // With its schema, since a pool may have a search path of its own.
    const name = `public.${await super.table(columns)}`
    const { replica } = this.server
    if (replica !== undefined && !this.#pausesReplay) {
      await until(async () => {
        const [row] = await replica.sql<{ there: boolean }>(
          'select to_regclass($1) is not null as there',
          [name],
        )
        return row!.there
      }, `${name} on the replica`)
    }
    return name
  }

  #pausesReplay = false

  /**
   * A table of one column `n`, with 1 in it on every server and 2 as well on the primary: the
   * replica replays nothing more until the case is over.
   */
  async staleTable(): Promise<string> {
    const { server } = this
    const table = await this.table('n int')
    await server.sql(`insert into ${table} values (1)`)
    await until(
      async () => (await server.replica!.sql(`select n from ${table}`)).length === 1,
      'the first row on the replica',
    )
    await this.pauseReplay()
    await server.sql(`insert into ${table} values (2)`)
    return table
  }

  /** The replica replays nothing more until the case is over. */
  async pauseReplay(): Promise<void> {
    const replica = this.server.replica!
    this.#pausesReplay = true
    this.defer(() => replica.resumeReplay())
    await replica.pauseReplay()
  }

  /**
   * The process of the server behind a lease, or behind a single call of a pool with one
   * connection.
   */
  async pidOf(pool: Pick<Pool | Lease, 'query'>): Promise<number> {
    const { rows } = await pool.query<{ pid: number }>('select pg_backend_pid() as pid')
    return rows[0]!.pid
  }

  /** Ends the session of a transaction as an administrator does, on whatever server it is. */
  async terminate(tx: Pick<Transaction, 'query'>): Promise<void> {
    const { rows } = await tx.query<{ pid: number; standby: boolean }>(
      'select pg_backend_pid() as pid, pg_is_in_recovery() as standby',
    )
    const { pid, standby } = rows[0]!
    const { server } = this
    await (standby ? server.replica! : server).sql('select pg_terminate_backend($1)', [pid])
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
    for (const part of this.#pools) wrong.push(...(await closeAndCount(part)))
    return wrong
  }

  protected override async verdict(): Promise<string[]> {
    return []
  }
}

/** The work of a case that begins with a pool of these options. */
export function onPool(
  options: Omit<PoolParts, 'connection'>,
  run: (pool: Pool, test: PoolContext) => Promise<void>,
): PoolCase['run'] {
  return async (test) => run(await test.pool(options), test)
}

/** The work of a case that begins with a table of these columns, and a pool of these options. */
export function onTable(
  columns: string,
  options: Omit<PoolParts, 'connection'>,
  run: (pool: Pool, table: string, test: PoolContext) => Promise<void>,
): PoolCase['run'] {
  return async (test) => {
    const table = await test.table(columns)
    await run(await test.pool(options), table, test)
  }
}

function serverBehind({
  server,
  without = [],
}: Pick<PoolContextParts, 'server' | 'without'>): ServerUnderTest | ReplicaUnderTest {
  if (!without.includes('primary')) return server
  if (server.replica === undefined) {
    throw new TypeError('without: a pool that reads from a replica needs a cluster with one')
  }
  return server.replica
}

/**
 * Whether a pool has served a call; not before its first connection is there, however short its
 * deadlines are.
 */
async function serves(pool: Pool): Promise<boolean> {
  try {
    await pool.query('select 1')
    return true
  } catch (error) {
    if (isPoolhouseError(error) && error.name === 'AcquireTimeoutError') return false
    throw error
  }
}

/** Closes a pool with all that it is part of, and gives what does not add up. */
async function closeAndCount({ pool, whole }: PartOfMany): Promise<string[]> {
  const wrong: string[] = []
  const adds = ({ total, idle, leased, connecting }: PoolStats): boolean =>
    total === idle + leased + connecting
  if (!adds(pool.stats())) wrong.push(`statistics do not add up: ${JSON.stringify(pool.stats())}`)
  await whole.close({ timeoutMs: 0 })
  const empty = (): boolean => {
    const { total, pending, counters } = pool.stats()
    return total === 0 && pending === 0 && counters.created === counters.destroyed
  }
  await until(empty, 'the closed pool to be empty', 1_000).catch(() => {
    wrong.push(`after close the statistics are ${JSON.stringify(pool.stats())}`)
  })
  return wrong
}
