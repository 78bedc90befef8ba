import type { ConnectionInfo, DriverConnection } from '../api/driver.js'
import type { Session } from '../api/session.js'
import type { QueryOptions, QueryResult, Statement } from '../api/statement.js'
import { readable } from '../decorate/readable.js'
import { AbortError } from '../outcome/errors.js'
import { failCall } from '../outcome/fail-call.js'
import type { ServerIdentity } from '../server/server-identity.js'
import type { Slot } from '../slot/slot.js'
import { readQueryCall } from '../statement/call-arguments.js'
import type { OrderedWork } from '../statement/session-work.js'
import { StatementOrder } from '../statement/statement-order.js'
import { type RunHost, StatementRun } from '../statement/statement-run.js'
import { refuseBehindPooler } from '../statement/through-pooler.js'

const CLOSE_MS = 2_000

/** A connection outside the pool's `max`, for monitors. */
export class ServerSession implements Session {
  static {
    readable(ServerSession, 'Session', ({ closed, info }) => ({
      backendPid: info.backendPid,
      closed,
    }))
  }

  readonly #host: RunHost
  readonly #slot: Slot
  readonly #order: StatementOrder

  /** Takes a slot whose connection is open and which stands in no pool. */
  constructor(host: RunHost, slot: Slot) {
    this.#host = host
    this.#slot = slot
    this.#order = new StatementOrder(host, slot)
    slot.connection!.unref()
  }

  get info(): ConnectionInfo {
    return this.#slot.connection!.info
  }

  get server(): ServerIdentity | undefined {
    return this.#slot.server
  }

  get signal(): AbortSignal {
    return this.#slot.signal
  }

  get closed(): boolean {
    return this.#slot.state === 'gone'
  }

  keepAlive(on: boolean): void {
    if (this.closed) return
    if (on) this.#slot.connection!.ref()
    else this.#slot.connection!.unref()
  }

  query<Row = Record<string, unknown>>(
    first: string | Statement,
    second?: readonly unknown[] | QueryOptions,
    third?: QueryOptions,
  ): Promise<QueryResult<Row>> {
    return new Promise((resolve) => {
      const { statement, options } = readQueryCall(first, second, third)
      if (this.closed) throw this.#slot.lostError()
      if (options?.signal?.aborted) throw new AbortError(options.signal.reason, 'no')
      const now = this.#host.now()
      this.#host.watchSilence(now)
      const run = new StatementRun(this.#host, this.#order, statement, options, now, resolve)
      run.isOurs = true
      this.#order.submit(run, now)
    })
  }

  listen(channel: string): Promise<void> {
    return this.#perform(async (connection) => {
      refuseBehindPooler(this.#host.name, this.#host.pooler, 'listen')
      await connection.listen(channel)
    })
  }

  ping(): Promise<void> {
    return this.#perform(async (connection) => await connection.ping())
  }

  /**
   * A call to the driver that is no statement but needs the session for itself, such as LISTEN. Its
   * deadline is its caller's business, and so is its silence.
   */
  #perform(call: (connection: DriverConnection) => Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.closed) throw this.#slot.lostError()
      const task: OrderedWork = {
        settled: false,
        queue: () => {},
        receive: (slot, now) => {
          slot.ask(now)
          const done = call(slot.connection!).finally(() => this.#order.finished(task, slot))
          done.then(resolve, reject)
        },
        drop: (error) => failCall(resolve, error),
      }
      this.#order.submit(task, this.#host.now())
    })
  }

  async close(): Promise<void> {
    if (this.closed) return
    this.#order.drop((executed) => this.#slot.lostError(executed))
    const connection = this.#slot.connection!
    await connection.close(CLOSE_MS).catch((error: unknown) => connection.destroy(error))
  }

  destroy(reason: string): void {
    this.#order.drop((executed) => this.#slot.lostError(executed))
    this.#slot.connection!.destroy(new Error(reason))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
