import { setTimeout as sleep } from 'node:timers/promises'
import type { Queryable } from '@poolhouse/core'
import { failed, type History } from './history.js'
import { Acknowledged, lookAt } from './look.js'
import type { Operation } from './operation.js'

/** One request of a user, as an application serves it. */
export interface HistoryRequest {
  /**
   * Runs what the request does, with the pool that it does it on.
   *
   * @example
   * const begin = (cookie: string): HistoryRequest => {
   *   const session = db.session(cookie)
   *   return { run: (work) => work(session), cookie: () => session.token }
   * }
   * startWorkload({ writes: db, users: 3, request: begin })
   */
  run<R>(work: (pool: Queryable) => Promise<R>): Promise<R>
  /**
   * The cookie that the response sets; empty if it sets none. Called once, after the work.
   *
   * @example
   * const cookie = await beginRequest('').cookie()
   */
  cookie(): Promise<string> | string
}

/** What a user is told of its workload. */
export interface UserSettings {
  readonly worker: number
  readonly pauseMs: number
  readonly deadlineMs: number
  readonly table: string
}

// Requests at a time, as a page makes them.
const PARALLEL = 3
// After its work a request goes on for up to so long, so that one that began earlier may answer
// later, with an older place in mind. Responses that overtake each other on their way are left out:
// no server can do anything about the cookies of those.
const MOST_REST_MS = 15

/**
 * A user with a cookie jar, who makes requests side by side. The jar holds what the last response
 * to arrive has set, as a browser's does. A request that begins after the response to a write has
 * arrived must see that write, and no request sees less than one whose response had arrived before
 * it began.
 */
export class User {
  readonly #settings: UserSettings
  readonly #request: (cookie: string, method: 'GET' | 'POST') => HistoryRequest
  readonly #history: History
  readonly #stop: AbortSignal
  readonly #acknowledged = new Acknowledged()
  #jar = ''
  #writes = 0
  #reads = 0
  #turns = 0

  /** Waits for `run`. */
  constructor(
    settings: UserSettings,
    request: (cookie: string, method: 'GET' | 'POST') => HistoryRequest,
    history: History,
    stop: AbortSignal,
  ) {
    this.#settings = settings
    this.#request = request
    this.#history = history
    this.#stop = stop
  }

  /** Makes requests until the workload stops. */
  async run(): Promise<void> {
    await Promise.all(Array.from({ length: PARALLEL }, () => this.#lane()))
  }

  async #lane(): Promise<void> {
    while (!this.#stop.aborted) {
      this.#turns++
      await (this.#turns % 3 === 0 ? this.#write() : this.#read())
      await sleep(this.#settings.pauseMs, undefined, { signal: this.#stop }).catch(() => {})
    }
  }

  async #write(): Promise<void> {
    const seq = ++this.#writes
    const { worker, deadlineMs, table } = this.#settings
    const operation = this.#history.begin('insert', worker, seq, deadlineMs)
    await this.#serve(operation, 'POST', (pool) => insertInto(table, pool, operation, 1))
    if (operation.outcome?.kind === 'acknowledged') this.#acknowledged.add(seq)
  }

  async #read(): Promise<void> {
    const { worker, deadlineMs, table } = this.#settings
    const operation = this.#history.begin('read', worker, ++this.#reads, deadlineMs)
    operation.mustSee = this.#acknowledged.highest
    const must = this.#acknowledged.recent()
    await this.#serve(operation, 'GET', (pool) =>
      lookAt(pool, operation, { writer: worker, table, must }),
    )
  }

  async #serve(
    operation: Operation,
    method: 'GET' | 'POST',
    work: (pool: Queryable) => Promise<unknown>,
  ): Promise<void> {
    try {
      const request = this.#request(this.#jar, method)
      await request.run(work)
      // Not the same for two requests in a row, and the same in each run.
      await sleep((this.#turns * 7) % MOST_REST_MS)
      const cookie = await request.cookie()
      if (cookie !== '') this.#jar = cookie
      this.#history.end(operation, { kind: 'acknowledged' })
    } catch (error) {
      this.#history.end(operation, failed(error))
    }
  }
}

/** Writes one row of a write. */
export function insertInto(
  table: string,
  to: Queryable,
  { id, worker, seq, deadlineMs }: Operation,
  part: number,
): Promise<unknown> {
  const text = `insert into ${table} (id, part, worker, seq) values ($1, $2, $3, $4)`
  return to.query(text, [id, part, worker, seq], { timeoutMs: deadlineMs, intent: 'write' })
}
