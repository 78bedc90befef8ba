import { basename, dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Driver, tracing } from '@poolhouse/core'
import type { ReplicaPool } from '@poolhouse/read-replicas'
import { type Cluster, type ClusterNode, startCluster } from '@poolhouse/testkit'
import { Ledger } from './ledger.js'
import { routedPool } from './routed-pool.js'

const APPLY_DELAY_MS = 300
const OWN_WRITES = 20
const WORKERS = 4
const CALM_MS = 500
/** Rows that must be acknowledged after the failover, so that the library is known to go on. */
const AFTER_FAILOVER = 60
/** Each worker has this many numbers to itself. */
const FIRST_IDS = 1_000_000
const PATIENCE_MS = 20_000
/** Longest time until queues have retried a job some times. */
const RETRIED_MS = 45_000
/** Pause of a worker after an error. */
const PAUSE_MS = 10

/**
 * The port of the server that stored a row stands in `written_on`; `served_orders` tells which
 * server answers. Neither has a unique constraint, which would hide a doubled row.
 */
const TABLES = [
  `create table orders (
     id int not null, item text not null, written_on int not null default inet_server_port())`,
  'create index on orders (id)',
  'create view served_orders as select id, item, inet_server_port() as served_on from orders',
]

/** What a library does with the tables `orders` and `served_orders`. */
export interface Orders {
  /** Stores an order with this id. */
  insert(id: number): Promise<unknown>
  /** Stores two orders in one transaction, if the library has transactions. */
  insertBoth?(first: number, second: number): Promise<unknown>
  /** Reads the order with this id from `served_orders`, or finds nothing. */
  find(id: number): Promise<{ servedOn: number } | null | undefined>
  /** Reads it right after it was stored, if that takes another call than `find`. */
  findOwn?(id: number): Promise<unknown>
}

/** The same for a library that has tables of its own. */
export interface OwnTable {
  /** A query of the numbers that are stored, as `id`, with a row for each time. */
  readonly rows: string
  /** The text of its write. */
  readonly write: RegExp
  /** The text of its read. */
  readonly read: RegExp
  /** Stores something under this number. */
  insert(id: number): Promise<unknown>
  /** Reads it, or finds nothing. */
  find(id: number): Promise<unknown>
}

/** A queue of jobs. */
export interface Jobs {
  /** Adds a job with this number. */
  add(id: number): Promise<unknown>
  /** The numbers of the jobs that were done. */
  done(): ReadonlySet<number> | Promise<ReadonlySet<number>>
}

/** What the load needs. */
interface Load {
  insert(id: number): Promise<unknown>
  insertBoth?: ((first: number, second: number) => Promise<unknown>) | undefined
  findOwn(id: number): Promise<unknown>
}

/** What was done to the servers by `failover`. */
export interface Failover {
  /** The primary that was killed. */
  readonly killed: ClusterNode
  /** The replica that was promoted. */
  readonly promoted: ClusterNode
}

/** A primary, two replicas, and the application's pool over them. */
export class Drill implements AsyncDisposable {
  /** The servers. Commits wait for one of the two replicas, so a failover loses none. */
  readonly cluster: Cluster
  /** The application's pool: follows the primary, and reads from replicas. */
  readonly db: ReplicaPool

  /** Use `startDrill`. */
  constructor(cluster: Cluster, db: ReplicaPool) {
    this.cluster = cluster
    this.db = db
  }

  /**
   * Shows a write on the primary, a read on a replica, a read of the own write from replicas that
   * are late, and a failover under load after which each acknowledged row is there once.
   */
  async checkOrders(orders: Orders): Promise<void> {
    await this.#checkServers(orders)
    const load: Load = {
      insert: (id) => orders.insert(id),
      insertBoth: orders.insertBoth?.bind(orders),
      findOwn: orders.findOwn?.bind(orders) ?? orders.find.bind(orders),
    }
    await this.#checkOwnWrites(load)
    await this.#checkFailover(load, 'select id from orders')
  }

  /** The same for a library that has tables of its own. */
  async checkTable(table: OwnTable): Promise<void> {
    let id = 1
    await this.servedOn('primary', table.write, () => table.insert(id++))
    await this.replicated()
    await this.servedOn('replica', table.read, () => table.find(1))
    const load = { insert: table.insert, findOwn: table.find }
    await this.#checkOwnWrites(load)
    await this.#checkFailover(load, table.rows)
  }

  /** Adds jobs through a failover. Each that was acknowledged is done, and none that failed is. */
  async checkJobs(jobs: Jobs): Promise<void> {
    const ledger = await this.#loadThroughFailover({
      insert: (id) => jobs.add(id),
      findOwn: async () => true,
    })
    await this.until(
      () => `jobs are lost\n${ledger}`,
      async () => {
        const done = await jobs.done()
        return ledger.ids('acknowledged').every((id) => done.has(id))
      },
      RETRIED_MS,
    )
    const done = await jobs.done()
    const wrong = ledger.ids('not executed').filter((id) => done.has(id))
    if (wrong.length > 0) throw new Error(`done, though they were never added: ${wrong}`)
    console.log(`jobs: ${ledger}`)
  }

  /** Kills the primary and promotes a replica. */
  async failover(): Promise<Failover> {
    const killed = this.cluster.primary
    await killed.kill()
    const promoted = await this.cluster.failover()
    console.log(`${killed.name} was killed, ${promoted.name} is the primary`)
    return { killed, promoted }
  }

  /** Calls `attempt` until it returns true. Throws `complaint` when that takes too long. */
  async until(
    complaint: string | (() => string),
    attempt: () => Promise<boolean> | boolean,
    patienceMs = PATIENCE_MS,
  ): Promise<void> {
    const deadline = performance.now() + patienceMs
    while (!(await attempt())) {
      if (performance.now() > deadline) {
        throw new Error(typeof complaint === 'string' ? complaint : complaint())
      }
      await sleep(10)
    }
  }

  /** Waits until the replicas have replayed all that the primary has written. */
  async replicated(): Promise<void> {
    const [row] = await this.cluster.primary.sql<{ lsn: string }>(
      'select pg_current_wal_insert_lsn()::text as lsn',
    )
    const caughtUp = 'select pg_last_wal_replay_lsn() >= $1::pg_lsn as done'
    for (const replica of this.cluster.replicas) {
      await this.until(`${replica.name} does not catch up`, async () => {
        const [answer] = await replica.sql<{ done: boolean }>(caughtUp, [row?.lsn])
        return answer?.done === true
      })
    }
  }

  /** Delays what the replicas replay; 0 ends the delay. */
  async delayReplicas(delayMs: number): Promise<void> {
    for (const replica of this.cluster.replicas) await replica.setApplyDelay(delayMs)
  }

  /**
   * Does `work` until a statement that matches `pattern` has run on a replica (or, with `primary`,
   * on the primary), and prints its name.
   */
  async servedOn(
    which: 'primary' | 'replica',
    pattern: RegExp,
    work: () => Promise<unknown>,
  ): Promise<void> {
    const expected = (which === 'primary' ? [this.cluster.primary] : this.cluster.replicas).map(
      ({ name }) => name,
    )
    const seen = new Set<string>()
    const listener = {
      start: ({ pool, statement }: { pool: string; statement: string }) => {
        if (pattern.test(statement)) seen.add(pool)
      },
    }
    tracing.query.subscribe(listener)
    try {
      await this.until(`${pattern} never ran on a ${which}`, async () => {
        seen.clear()
        await work()
        return expected.some((name) => seen.has(name))
      })
    } finally {
      tracing.query.unsubscribe(listener)
    }
    const names = [...seen].filter((name) => expected.includes(name)).join(', ')
    if (which === 'primary') console.log(`written on ${names}, the primary`)
    else console.log(`read on ${names}, a replica`)
  }

  /** The ids of the orders that the primary has. */
  async storedIds(): Promise<Set<number>> {
    const rows = await this.cluster.primary.sql<{ id: number }>('select id from orders')
    return new Set(rows.map(({ id }) => id))
  }

  /** Throws unless this many rows are all orders. */
  async checkStreamed(rows: number): Promise<void> {
    const { size } = await this.storedIds()
    if (rows !== size) throw new Error(`streamed ${rows} of ${size} rows`)
    console.log(`streamed all ${rows} rows`)
  }

  /** Ends what the recipe began, and prints its last line: the name of its folder, and `ok`. */
  async finish(...close: readonly (() => unknown)[]): Promise<void> {
    for (const step of close) await step()
    await this[Symbol.asyncDispose]()
    console.log(`${basename(dirname(process.argv[1] ?? ''))}: ok`)
  }

  /** Closes the pool and stops the servers. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.db.close({ timeoutMs: 1_000 })
    await this.cluster.stop()
  }

  async #checkServers(orders: Orders): Promise<void> {
    const { primary, replicas } = this.cluster
    await orders.insert(1)
    const [stored] = await primary.sql<{ written_on: number }>(
      'select written_on from orders where id = 1',
    )
    if (stored?.written_on !== primary.port) throw new Error('the row was not written on a primary')
    console.log(`written on ${primary.name}, the primary`)
    await this.replicated()
    let replica: ClusterNode | undefined
    await this.until('no read went to a replica', async () => {
      const servedOn = (await orders.find(1))?.servedOn
      replica = replicas.find(({ port }) => port === servedOn)
      return replica !== undefined
    })
    console.log(`read on ${replica?.name}, a replica`)
  }

  async #checkOwnWrites({ insert, findOwn }: Load): Promise<void> {
    await this.delayReplicas(APPLY_DELAY_MS)
    for (let id = 100; id < 100 + OWN_WRITES; id++) {
      await insert(id)
      if (!(await findOwn(id))) throw new Error(`order ${id} is missing right after its insert`)
    }
    await this.delayReplicas(0)
    console.log(`${OWN_WRITES} own writes read, with replicas ${APPLY_DELAY_MS} ms behind`)
  }

  async #checkFailover(load: Load, rows: string): Promise<void> {
    const ledger = await this.#loadThroughFailover(load)
    ledger.compare(await this.cluster.primary.sql(rows))
    console.log(`${ledger}; 0 lost, 0 doubled`)
  }

  async #loadThroughFailover(load: Load): Promise<Ledger> {
    const ledger = new Ledger()
    const end = new AbortController()
    const loading = Promise.all(
      Array.from({ length: WORKERS }, (_, worker) =>
        work(load, ledger, FIRST_IDS * (worker + 1), end.signal),
      ),
    )
    await sleep(CALM_MS)
    await this.failover()
    const enough = ledger.ids('acknowledged').length + AFTER_FAILOVER
    await this.until(
      () => `the library does not go on after the failover\n${ledger}`,
      () => ledger.ids('acknowledged').length >= enough,
    )
    end.abort()
    let settled = false
    void loading.then(() => {
      settled = true
    })
    await this.until(
      () => `a call never settles\n${ledger}`,
      () => settled,
    )
    return ledger
  }
}

/** Starts the servers and the pool. The driver is the application's choice. */
export async function startDrill(driver: Driver): Promise<Drill> {
  const cluster = await startCluster({ replicas: 2, synchronous: true })
  const db = routedPool(cluster.nodes, driver)
  const drill = new Drill(cluster, db)
  for (const text of TABLES) await db.query(text)
  await drill.replicated()
  await db.ready()
  return drill
}

async function work(load: Load, ledger: Ledger, firstId: number, end: AbortSignal): Promise<void> {
  for (let id = firstId; !end.aborted; id += 2) {
    const done =
      load.insertBoth !== undefined && id % 6 === 4
        ? await ledger.write([id, id + 1], () => load.insertBoth?.(id, id + 1))
        : await ledger.write([id], () => load.insert(id))
    if (done) await ledger.read(id, () => load.findOwn(id))
    else await sleep(PAUSE_MS)
  }
}
