import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Span, SpanStatusCode, trace } from '@opentelemetry/api'
import { createMarkerTable, createPool, InDoubtError } from '@poolhouse/core'
import { withFailover } from '@poolhouse/failover'
import { nodePostgres } from '@poolhouse/node-postgres'
import { type ReplicaPool, withReplicas } from '@poolhouse/read-replicas'
import type { Cluster } from '@poolhouse/testkit'

const PAUSE_MS = 30
/** The name of the span around an order, as an HTTP instrumentation would give it. */
export const REQUEST = 'POST /orders'

const TABLES = [
  'create table stock (item text primary key, sold int not null)',
  "insert into stock values ('tea', 0), ('coffee', 0), ('cocoa', 0), ('water', 0)",
  'create table orders (id uuid primary key, item text not null)',
  'create table visits (id uuid, item text)',
]
const ITEMS = ['tea', 'coffee', 'cocoa', 'water']

/** One pool over all servers: writes follow the primary, declared reads go to replicas. */
export function openShop(cluster: Cluster): ReplicaPool {
  const driver = nodePostgres()
  const nodes = cluster.nodes.map(({ name, url }) =>
    createPool({ driver, name, connection: url, max: 8 }),
  )
  const primary = withFailover(nodes, { name: 'app' })
  return withReplicas(primary, primary.topology, { name: 'app' })
}

/** Creates the tables. Resolves when each server has them. */
export async function createTables(db: ReplicaPool, cluster: Cluster): Promise<void> {
  await createMarkerTable(db)
  for (const statement of TABLES) await db.query(statement)
  const last = "select to_regclass('visits') is not null as known"
  for (const node of cluster.nodes) {
    while (!(await node.sql<{ known: boolean }>(last))[0]?.known) await sleep(20)
  }
}

/**
 * Four customers who order, four who look, and four who leave a note of their visit, until `stop`.
 */
export class Load {
  /** Orders that were acknowledged. */
  orders = 0
  /** Looks at the stock, each answered by a replica while there is one. */
  looks = 0
  /** Visits that were noted. */
  visits = 0
  /** Visits whose note got no answer: it may be there or not. */
  inDoubt = 0
  /** Resolves after `stop`. Rejects at once if a call failed that should not. */
  readonly ended: Promise<unknown>
  readonly #db: ReplicaPool
  readonly #stop = new AbortController()

  /** Begins at once. */
  constructor(db: ReplicaPool) {
    this.#db = db
    const workers = ITEMS.flatMap((item) => [
      this.#repeat(() => this.#order(item)),
      this.#repeat(() => this.#look(item)),
      this.#repeat(() => this.#visit(item)),
    ])
    this.ended = Promise.all(workers)
    this.ended.catch(() => {}) // `stop` throws it
  }

  /** Resolves when the last call has its answer. Rejects if one failed that should not. */
  async stop(): Promise<void> {
    this.#stop.abort()
    await this.ended
  }

  /** The figures in one line. */
  toString(): string {
    const doubt = this.inDoubt === 0 ? '' : `, ${this.inDoubt} visits in doubt`
    return `${this.orders} orders, ${this.looks} looks, ${this.visits} visits${doubt}`
  }

  async #repeat(call: () => Promise<void>): Promise<void> {
    while (!this.#stop.signal.aborted) await Promise.all([call(), sleep(PAUSE_MS)])
  }

  /**
   * A transaction inside the span of a request. The key settles a COMMIT that got no answer: it is
   * looked for on the new primary, so no order is lost and none is made twice.
   */
  async #order(item: string): Promise<void> {
    const id = randomUUID()
    await inSpan(REQUEST, async () => {
      await this.#db.transaction(
        async (tx) => {
          await tx.query('insert into orders (id, item) values ($1, $2)', [id, item])
          await tx.query('update stock set sold = sold + 1 where item = $1', [item])
        },
        { idempotencyKey: id, timeoutMs: 10_000 },
      )
    })
    this.orders += 1
  }

  async #look(item: string): Promise<void> {
    await this.#db.reader().query('select sold from stock where item = $1', [item])
    this.looks += 1
  }

  /** A single statement without a key: if its server dies under it, it is in doubt. */
  async #visit(item: string): Promise<void> {
    const insert = 'insert into visits (id, item) select $1::uuid, $2::text from pg_sleep(0.01)'
    try {
      await this.#db.query(insert, [randomUUID(), item])
      this.visits += 1
    } catch (error) {
      if (!(error instanceof InDoubtError)) throw error
      this.inDoubt += 1
    }
  }
}

/** Throws if an acknowledged order is missing, or one is there that was not acknowledged. */
export async function checkOrders(db: ReplicaPool, acknowledged: number): Promise<void> {
  const { rows } = await db.query<{ orders: number; sold: number }>(
    'select (select count(*)::int from orders) as orders, (select sum(sold)::int from stock) as sold',
  )
  const { orders, sold } = rows[0] ?? {}
  if (orders !== acknowledged || sold !== acknowledged) {
    throw new Error(`${acknowledged} orders were acknowledged, ${orders} are there, ${sold} sold`)
  }
}

async function inSpan(name: string, work: () => Promise<void>): Promise<void> {
  const tracer = trace.getTracer('shop')
  await tracer.startActiveSpan(name, async (span: Span) => {
    try {
      await work()
    } catch (error) {
      span.setStatus({ code: SpanStatusCode.ERROR })
      throw error
    } finally {
      span.end()
    }
  })
}
