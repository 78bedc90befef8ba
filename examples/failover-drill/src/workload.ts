import { setMaxListeners } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Queryable } from '@poolhouse/core'
import { type Call, type History, outcomeOf } from './history.js'

/** How much the workers do. */
export interface WorkloadOptions {
  /** Where the writes go. */
  readonly db: Queryable
  /** Where the reads go. */
  readonly reader: Queryable
  /** Gets every call. */
  readonly history: History
  /** Told about each call when it settles. */
  readonly onSettled: (kind: 'write' | 'read', call: Call) => void
}

const WRITERS = 6
const READERS = 6
/** Calls per second and worker: 150 writes and 240 reads a second in all. */
const WRITES_PER_SECOND = 25
const READS_PER_SECOND = 40
/**
 * A worker that has this many calls without an answer waits: a safety net that a held call never
 * reaches.
 */
const MOST_IN_FLIGHT = 300
/** Longer than a call may be held (10 s), so that what is left has really been forgotten. */
const SETTLE_TIMEOUT_MS = 12_000

/**
 * The table of the drill. `id` has no unique constraint on purpose: the workers never use an id
 * twice, so a second row with the same id proves that a statement was sent twice, and no
 * constraint may hide that.
 */
export const ORDERS_TABLE: readonly string[] = [
  `create table orders (
    entry bigint generated always as identity primary key,
    id text not null,
    worker int not null,
    seq int not null
  )`,
  'create index on orders (worker, seq)',
]

/**
 * Takes 15 ms, as a small piece of business would: so a few writes are always under way, also when
 * the primary is killed.
 */
const INSERT =
  'insert into orders (id, worker, seq) select $1::text, $2::int, $3::int from pg_sleep(0.015)'
const SELECT = 'select id, seq from orders where worker = $1 order by seq desc limit 3'

/**
 * Writers and readers with a steady pace: like the users of a service they do not slow down because
 * the answers do. No worker sends anything twice; a write in doubt is written down as such, and the
 * next one gets a new id.
 */
export class Workload {
  readonly #options: WorkloadOptions
  readonly #stop = new AbortController()
  readonly #inFlight = new Set<Promise<void>>()
  readonly #workers: Promise<void>[]

  /** Begins at once. */
  constructor(options: WorkloadOptions) {
    this.#options = options
    setMaxListeners(WRITERS + READERS, this.#stop.signal)
    this.#workers = [
      ...Array.from({ length: WRITERS }, (_, worker) =>
        this.#work(worker / WRITERS, WRITES_PER_SECOND, (seq) => this.#write(worker, seq)),
      ),
      ...Array.from({ length: READERS }, (_, worker) =>
        this.#work(worker / READERS, READS_PER_SECOND, (seq) => this.#read(worker, seq)),
      ),
    ]
  }

  /**
   * Makes no new calls. Resolves when every call has settled, or when the time for that is over.
   */
  async stop(timeoutMs: number = SETTLE_TIMEOUT_MS): Promise<void> {
    this.#stop.abort()
    await Promise.all(this.#workers)
    const patience = new AbortController()
    await Promise.race([
      Promise.all(this.#inFlight),
      sleep(timeoutMs, undefined, { signal: patience.signal }).catch(() => {}),
    ])
    patience.abort()
  }

  /**
   * Makes one call after the other at fixed times; `phase` from 0 to 1 spreads the workers over the
   * period.
   */
  async #work(
    phase: number,
    perSecond: number,
    call: (seq: number) => Promise<void>,
  ): Promise<void> {
    const { signal } = this.#stop
    const periodMs = 1000 / perSecond
    let next = performance.now() + phase * periodMs
    let mine = 0
    for (let seq = 1; !signal.aborted; seq += 1) {
      await sleep(Math.max(0, next - performance.now()), undefined, { signal }).catch(() => {})
      if (signal.aborted) return
      // After a stall of this process the pace goes on from here: catching up would be a flood.
      next = Math.max(next + periodMs, performance.now())
      if (mine >= MOST_IN_FLIGHT) continue
      mine += 1
      const flight = call(seq).finally(() => {
        mine -= 1
        this.#inFlight.delete(flight)
      })
      this.#inFlight.add(flight)
    }
  }

  #write(worker: number, seq: number): Promise<void> {
    const { db, history } = this.#options
    const id = `w${worker}-${seq}`
    return this.#record('write', id, history.writes, () => db.query(INSERT, [id, worker, seq]))
  }

  #read(worker: number, seq: number): Promise<void> {
    const { reader, history } = this.#options
    const of = (worker + seq) % WRITERS
    return this.#record('read', `r${worker}-${seq}`, history.reads, () =>
      reader.query(SELECT, [of]),
    )
  }

  async #record(
    kind: 'write' | 'read',
    id: string,
    calls: Call[],
    run: () => Promise<{ node?: string }>,
  ): Promise<void> {
    const call: Call = { id, startedAt: performance.now() }
    calls.push(call)
    try {
      const { node } = await run()
      call.outcome = { kind: 'acknowledged', node }
    } catch (error) {
      call.outcome = outcomeOf(error)
    }
    call.endedAt = performance.now()
    this.#options.onSettled(kind, call)
  }
}
