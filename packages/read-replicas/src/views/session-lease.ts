import type {
  BatchOptions,
  ConnectionInfo,
  CopyOptions,
  CopyResult,
  CopySource,
  Lease,
  QueryOptions,
  QueryResult,
  Statement,
  StreamIterator,
  StreamOptions,
} from '@poolhouse/core'
import {
  type LeasedSession,
  leasedSession,
  type OfSession,
  readable,
  readQueryArguments,
  watchSignal,
} from '@poolhouse/core/kit'
import type { SessionMemory } from '../session/session-memory.js'

/**
 * A connection to the primary on which a session writes. A statement settles when the position of
 * what it committed is known.
 */
export class SessionLease implements Lease, OfSession {
  static {
    readable(SessionLease, 'Lease', ({ node: pool, connection, signal }) => ({
      pool,
      connection,
      released: signal.aborted,
    }))
  }

  readonly #lease: Lease
  readonly #memory: SessionMemory
  readonly #over: () => void
  // Inside a transaction nothing is committed yet, so there is no position to ask for.
  #inTransaction = false

  /** Takes over the lease. Until the lease ends, the session may see more at any time. */
  constructor(lease: Lease, memory: SessionMemory) {
    this.#lease = lease
    this.#memory = memory
    this.#over = memory.begin(undefined)
    const { signal } = lease
    if (signal.aborted) this.#over()
    else watchSignal(signal, this.#over)
  }

  get connection(): number {
    return this.#lease.connection
  }

  get node(): string {
    return this.#lease.node
  }

  get info(): ConnectionInfo {
    return this.#lease.info
  }

  get signal(): AbortSignal {
    return this.#lease.signal
  }

  get raw(): unknown {
    return this.#lease.raw
  }

  get leasedSession(): LeasedSession | undefined {
    return leasedSession(this.#lease)
  }

  async query<Row = Record<string, unknown>>(
    first: string | Statement,
    second?: readonly unknown[] | QueryOptions,
    third?: QueryOptions,
  ): Promise<QueryResult<Row>> {
    const { statement, options } = readQueryArguments(first, second, third)
    const limits = this.#memory.limitsOf(options)
    const result = await this.#memory.written(this.#lease.query<Row>(statement, options))
    this.#follow(result)
    if (!this.#inTransaction) await this.#memory.wrote(this.node, limits)
    return result
  }

  async batch(
    statements: readonly (Statement | string)[],
    options?: BatchOptions,
  ): Promise<PromiseSettledResult<QueryResult>[]> {
    const limits = this.#memory.limitsOf(options ?? undefined)
    const outcomes = await this.#memory.written(this.#lease.batch(statements, options))
    let hasCommitted = false
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') {
        this.#memory.failed(outcome.reason)
        continue
      }
      this.#follow(outcome.value)
      if (!this.#inTransaction) hasCommitted = true
    }
    if (hasCommitted) await this.#memory.wrote(this.node, limits)
    return outcomes
  }

  #follow({ command }: QueryResult<unknown>): void {
    if (command === 'BEGIN' || command === 'START TRANSACTION') this.#inTransaction = true
    else if (command === 'COMMIT' || command === 'ROLLBACK') this.#inTransaction = false
  }

  stream<Row = Record<string, unknown>>(
    first: string | Statement,
    second?: readonly unknown[] | StreamOptions,
    third?: StreamOptions,
  ): StreamIterator<Row> {
    return this.#lease.stream<Row>(first as string, second as readonly unknown[], third)
  }

  copyTo(sql: string, options?: CopyOptions): StreamIterator<Uint8Array> {
    return this.#lease.copyTo(sql, options)
  }

  async copyFrom(sql: string, source: CopySource, options?: CopyOptions): Promise<CopyResult> {
    const limits = this.#memory.limitsOf(options)
    const result = await this.#memory.written(this.#lease.copyFrom(sql, source, options))
    if (!this.#inTransaction) await this.#memory.wrote(this.node, limits)
    return result
  }

  release(): void {
    this.#over()
    this.#lease.release()
  }

  destroy(reason?: string): void {
    this.#over()
    this.#lease.destroy(reason)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over()
    await this.#lease[Symbol.asyncDispose]()
  }
}
