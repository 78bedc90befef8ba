import { setMaxListeners } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Queryable, Transaction, TransactionOptions } from '@poolhouse/core'
import { type HistoryRequest, insertInto, User } from './cookie-user.js'
import { failed, History } from './history.js'
import { Acknowledged, lookAt } from './look.js'
import type { Operation } from './operation.js'
import { watchStalls } from './stall-watch.js'
import { watchUnhandled } from './unhandled-watch.js'

/** What the workers need of a pool. Every `Pool` has it; so do deliberately broken clients. */
export interface HistoryClient extends Queryable {
  /**
   * Runs work in a transaction.
   *
   * @example
   * const client: HistoryClient = pool
   * await client.transaction((tx) => tx.query('select 1'))
   */
  transaction<R>(work: (tx: Transaction) => Promise<R>, options?: TransactionOptions): Promise<R>
}

/**
 * Options of `startWorkload`.
 *
 * @example
 * startWorkload({
 *   writes: db,
 *   reads: () => db.session(),
 *   writers: 4,
 *   readers: 2,
 *   users: 3,
 *   request: beginRequest,
 *   pauseMs: 5,
 *   deadlineMs: 2_000,
 *   pairEvery: 2,
 *   table: 'my_history',
 * })
 */
export interface WorkloadOptions {
  /** Where the writes go; a function gives each worker its own, such as a session. */
  writes: HistoryClient | ((worker: number) => HistoryClient)
  /**
   * Where a worker's reads go; a function gives each worker its own, such as a session. Default: no
   * reads.
   */
  reads?: Queryable | ((worker: number) => Queryable) | undefined
  /** Workers that write, and read what they wrote if there are `reads`. Default 6. */
  writers?: number | undefined
  /**
   * Workers that only read, each what one of the writers has written; no outage of the writes holds
   * them up. Default 0.
   */
  readers?: number | undefined
  /**
   * Users that keep a cookie and make several requests at a time, each of which writes or reads
   * what the same user has written. A browser keeps what the last response to arrive has set.
   * Default 0.
   */
  users?: number | undefined
  /**
   * Begins the request of a user whose cookie this is; empty at first. Needed where there are
   * `users`. Default: none.
   */
  request?: ((cookie: string, method: 'GET' | 'POST') => HistoryRequest) | undefined
  /** Pause between two calls of a worker, in milliseconds. Default 20. */
  pauseMs?: number | undefined
  /** Longest time of each call in milliseconds, given to it as `timeoutMs`. Default 5 000. */
  deadlineMs?: number | undefined
  /** One write in so many writes is a transaction of two rows. Default 3. */
  pairEvery?: number | undefined
  /** Name of the table; `historyTable` makes it. Default `poolhouse_history`. */
  table?: string | undefined
}

/** Workers at work. */
export interface Workload {
  /** What they did so far; it grows. */
  readonly history: History
  /**
   * Makes no new calls; resolves when every call has settled or has outlived its deadline by
   * `patienceMs` (default 2 000).
   *
   * @example
   * const workload = startWorkload({ writes: db })
   * const history = await workload.stop()
   */
  stop(patienceMs?: number): Promise<History>
}

const TABLE = 'poolhouse_history'

/**
 * The statements that make the table of a workload. It has no unique constraint: a row that was
 * written twice must show.
 *
 * @example
 * for (const statement of historyTable()) await pool.query(statement)
 */
export function historyTable(table: string = TABLE): readonly string[] {
  return [
    `create table ${table} (id text not null, part int not null, worker int not null, seq int not null)`,
    `create index on ${table} (worker, seq)`,
  ]
}

/**
 * Lets workers write rows with unique ids, each after the other, and read their own writes back,
 * while the caller breaks things. No worker repeats a call; whatever it was told is written down.
 *
 * @example
 * const workload = startWorkload({ writes: db, reads: db.reader() })
 * await cluster.failover()
 * const report = await verifyHistory(await workload.stop(), { db, pools: [db] })
 * console.log(report.violations) // []
 */
export function startWorkload(options: WorkloadOptions): Workload {
  const history = new History()
  const stopping = new AbortController()
  // Every worker waits on it.
  setMaxListeners(0, stopping.signal)
  const unwatch = watchUnhandled(history.unhandled)
  const unwatchStalls = watchStalls(history.stalls)
  const { writers = 6, readers = 0, users = 0, request } = options
  if (users > 0 && request === undefined) {
    throw new TypeError('startWorkload: users need request, which begins one for their cookie')
  }
  if (readers > 0 && options.reads === undefined) {
    throw new TypeError('startWorkload: readers need reads, which says where they read')
  }
  const workers = Array.from({ length: writers + readers }, (_, worker) => {
    const one = new Worker(worker, options, history, stopping.signal)
    return worker < writers ? one.run() : one.watch(worker % writers)
  })
  for (let user = 0; user < users; user++) {
    const { pauseMs = PAUSE_MS, deadlineMs = DEADLINE_MS, table = TABLE } = options
    const settings = { worker: writers + readers + user, pauseMs, deadlineMs, table }
    workers.push(new User(settings, request!, history, stopping.signal).run())
  }
  return {
    history,
    async stop(patienceMs = 2_000) {
      stopping.abort()
      const patience = new AbortController()
      const late = (options.deadlineMs ?? DEADLINE_MS) + patienceMs
      await Promise.race([
        Promise.all(workers),
        sleep(late, undefined, { signal: patience.signal }).catch(() => {}),
      ])
      patience.abort()
      // An unhandled rejection is reported a turn after the promise was dropped.
      await sleep(1)
      unwatch()
      unwatchStalls()
      return history
    },
  }
}

const DEADLINE_MS = 5_000
const PAUSE_MS = 20
const PAIR_EVERY = 3

class Worker {
  readonly #worker: number
  readonly #options: WorkloadOptions
  readonly #history: History
  readonly #stop: AbortSignal
  readonly #table: string
  readonly #writes: HistoryClient
  readonly #reads: Queryable | undefined
  readonly #acknowledged = new Acknowledged()

  constructor(worker: number, options: WorkloadOptions, history: History, stop: AbortSignal) {
    this.#worker = worker
    this.#options = options
    this.#history = history
    this.#stop = stop
    this.#table = options.table ?? TABLE
    const { writes, reads } = options
    this.#writes = typeof writes === 'function' ? writes(worker) : writes
    this.#reads = typeof reads === 'function' ? reads(worker) : reads
  }

  async run(): Promise<void> {
    const { pauseMs = PAUSE_MS, pairEvery = PAIR_EVERY } = this.#options
    for (let seq = 1; !this.#stop.aborted; seq++) {
      const kind = seq % pairEvery === 0 ? 'pair' : 'insert'
      await this.#call(kind, seq, (operation) =>
        kind === 'pair' ? this.#pair(operation) : this.#insert(this.#writes, operation, 1),
      )
      if (this.#reads !== undefined && !this.#stop.aborted) {
        await this.#call('read', seq, (operation) => {
          operation.mustSee = this.#acknowledged.highest
          return this.#read(operation, this.#worker, this.#acknowledged.recent())
        })
      }
      await sleep(pauseMs, undefined, { signal: this.#stop }).catch(() => {})
    }
  }

  /** Reads what another worker has written, over and over. */
  async watch(writer: number): Promise<void> {
    const { pauseMs = PAUSE_MS } = this.#options
    for (let seq = 1; !this.#stop.aborted; seq++) {
      await this.#call('read', seq, (operation) => this.#read(operation, writer, []))
      await sleep(pauseMs, undefined, { signal: this.#stop }).catch(() => {})
    }
  }

  async #call(
    kind: Operation['kind'],
    seq: number,
    run: (operation: Operation) => Promise<unknown>,
  ): Promise<void> {
    const { deadlineMs = DEADLINE_MS } = this.#options
    const operation = this.#history.begin(kind, this.#worker, seq, deadlineMs)
    try {
      await run(operation)
      this.#history.end(operation, { kind: 'acknowledged' })
      if (kind !== 'read') this.#acknowledged.add(seq)
    } catch (error) {
      this.#history.end(operation, failed(error))
    }
  }

  #insert(to: Queryable, operation: Operation, part: number): Promise<unknown> {
    return insertInto(this.#table, to, operation, part)
  }

  #pair(operation: Operation): Promise<unknown> {
    return this.#writes.transaction(
      async (tx) => {
        await this.#insert(tx, operation, 1)
        await this.#insert(tx, operation, 2)
      },
      { timeoutMs: operation.deadlineMs },
    )
  }

  #read(operation: Operation, writer: number, must: readonly number[]): Promise<void> {
    return lookAt(this.#reads!, operation, { writer, table: this.#table, must })
  }
}
