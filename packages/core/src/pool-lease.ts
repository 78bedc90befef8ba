import { checkQueryOptions } from './call-options.js'
import type { ConnectionInfo } from './driver.js'
import { AbortError, LeaseReleasedError } from './errors.js'
import type { Lease } from './lease.js'
import type { Slot } from './slot.js'
import {
  type QueryOptions,
  type QueryResult,
  readQueryArguments,
  type Statement,
} from './statement.js'
import { lostBefore, StatementOrder } from './statement-order.js'
import { type RunHost, StatementRun } from './statement-run.js'
import { traceQuery, tracing } from './tracing.js'

/** What a lease asks of its pool. */
export interface LeaseHost extends RunHost {
  /** Takes a connection back; the slot's generation moves on. */
  giveBack(slot: Slot): void
  /** Takes a connection back to be thrown away. */
  discard(slot: Slot, reason: string): void
  /** A lease was given back a second time. */
  releasedAgain(slot: Slot): void
}

/** The handle a caller holds. It is valid while its generation is the slot's; afterwards it can do nothing to the connection. */
export class PoolLease implements Lease {
  readonly #host: LeaseHost
  readonly #slot: Slot
  readonly #generation: number
  #order: StatementOrder | undefined

  /** Made when the slot has just been marked as leased. */
  constructor(host: LeaseHost, slot: Slot) {
    this.#host = host
    this.#slot = slot
    this.#generation = slot.generation
  }

  get connection(): number {
    return this.#slot.id
  }

  get node(): string {
    return this.#host.name
  }

  get info(): ConnectionInfo {
    return this.#slot.connection!.info
  }

  get raw(): unknown {
    if (!this.valid) throw new LeaseReleasedError(this.#host.name)
    // Nobody sees what is done with the driver's own object, so the session counts as changed.
    this.#slot.dirty = true
    this.#slot.rawTaken = true
    return this.#slot.connection!.raw
  }

  get signal(): AbortSignal {
    if (!this.valid) return AbortSignal.abort(new LeaseReleasedError(this.#host.name))
    if (this.#slot.state === 'gone') return AbortSignal.abort(this.#slot.lostReason)
    this.#slot.abort ??= new AbortController()
    return this.#slot.abort.signal
  }

  /** Whether the connection is still this lease's. */
  get valid(): boolean {
    return this.#slot.generation === this.#generation
  }

  /** The place the lease holds, for the parts of the engine that follow the session's status. */
  get slot(): Slot {
    return this.#slot
  }

  query<Row = Record<string, unknown>>(
    first: string | Statement,
    second?: readonly unknown[] | QueryOptions,
    third?: QueryOptions,
  ): Promise<QueryResult<Row>> {
    if (!tracing.query.hasSubscribers) return this.#query(first, second, third)
    return traceQuery(this.node, first, () => this.#query<Row>(first, second, third))
  }

  #query<Row>(
    first: string | Statement,
    second: readonly unknown[] | QueryOptions | undefined,
    third: QueryOptions | undefined,
  ): Promise<QueryResult<Row>> {
    return new Promise((resolve, reject) => {
      const { statement, options } = readQueryArguments(first, second, third)
      if (options !== undefined) checkQueryOptions(options)
      if (!this.valid) throw new LeaseReleasedError(this.#host.name)
      if (this.#slot.over) throw lostBefore(this.#slot)
      if (options?.signal?.aborted) throw new AbortError(options.signal.reason, 'no')
      this.#order ??= new StatementOrder(this.#host, this.#slot)
      const now = this.#host.now()
      this.#order.submit(
        new StatementRun(this.#host, this.#order, statement, options, now, resolve, reject),
        now,
      )
    })
  }

  release(): void {
    if (!this.valid) {
      this.#host.releasedAgain(this.#slot)
      return
    }
    this.#order?.drop(new LeaseReleasedError(this.#host.name))
    this.#host.giveBack(this.#slot)
  }

  destroy(reason = 'destroyed by its holder'): void {
    if (!this.valid) {
      this.#host.releasedAgain(this.#slot)
      return
    }
    this.#order?.drop(new LeaseReleasedError(this.#host.name))
    this.#host.discard(this.#slot, reason)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.valid) this.release()
  }
}
