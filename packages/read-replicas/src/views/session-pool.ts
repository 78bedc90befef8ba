import type {
  AcquireOptions,
  Lease,
  Pool,
  QueryOptions,
  QueryResult,
  Statement,
  Transaction,
  TransactionOptions,
} from '@poolhouse/core'
import type { CallChanges, PoolCall } from '@poolhouse/core/kit'
import {
  leasedCopyFrom,
  leasedCopyTo,
  leasedRows,
  PoolView,
  readQueryArguments,
  standsFor,
} from '@poolhouse/core/kit'
import type { ReplicaSession } from '../api/replica-pool.js'
import { ambient, type RunWithOptions } from '../api/run-with.js'
import type { Background } from '../base/background.js'
import type { RoutingCounters } from '../base/routing-counters.js'
import type { ReaderOptions } from '../options/replicas-options.js'
import type { OnPrimary } from '../read/classified-read.js'
import type { ClassifiedReads } from '../read/classified-reads.js'
import type { DeclaredReads, ReadScope } from '../read/declared-reads.js'
import type { SessionMaker } from '../session/session-maker.js'
import type { SessionMemory } from '../session/session-memory.js'
import { ReaderPool } from './reader-pool.js'
import { SessionLease } from './session-lease.js'

/** What a session needs of the pool that it is a view of. */
export interface SessionParts {
  /** The pool that takes its writes. */
  readonly primary: Pool
  readonly background: Background
  readonly counters: RoutingCounters
  /** Runs its declared reads. */
  readonly reads: DeclaredReads
  /** Runs statements that are declared neither a read nor a write. */
  readonly classified: ClassifiedReads
  /** Reads and writes tokens. */
  readonly maker: SessionMaker
  /** Whether `runWith` around a call comes before this session. */
  readonly isAmbient: boolean
}

/** A read-your-writes view: reads see the session's own writes and never go back in time. */
export class SessionPool extends PoolView implements ReplicaSession {
  /** What its reads accept, and what they must see. */
  readonly scope: ReadScope
  readonly #parts: SessionParts
  readonly #memory: SessionMemory
  #hasWritten = false

  /** Makes the view. */
  constructor(
    name: string,
    whole: Pool,
    scope: ReadScope & { readonly session: SessionMemory },
    parts: SessionParts,
  ) {
    super(name, whole)
    this.scope = scope
    this.#parts = parts
    this.#memory = scope.session
  }

  get token(): string {
    const { token } = this.#memory
    if (token === undefined) return ''
    const { codec } = this.#parts.maker
    return token === 'strong' ? codec.encodeStrong() : codec.encode(token)
  }

  get hasWritten(): boolean {
    return this.#hasWritten
  }

  async freshToken(): Promise<string> {
    await this.#memory.settle()
    return this.token
  }

  see(token: string): void {
    this.#parts.maker.see(this.#memory, token)
  }

  async caughtUp(options: { waitMs?: number | undefined } = {}): Promise<boolean> {
    return await this.#memory.isCaughtUp(this.scope.route, options.waitMs ?? 0)
  }

  /** Whether the session is a view of this pool. */
  belongsTo(whole: Pool): boolean {
    return this.whole === whole
  }

  reader(options: ReaderOptions = {}): Pool {
    const { reads } = this.#parts
    return new ReaderPool(
      `${this.whole.name}/reader`,
      this.whole,
      reads,
      reads.narrowed(this.scope, options),
    )
  }

  /**
   * Not through `send`: the statement of a write is replaced by one that also asks for its
   * position.
   */
  override async query<Row = Record<string, unknown>>(
    first: string | Statement,
    second?: readonly unknown[] | QueryOptions,
    third?: QueryOptions,
  ): Promise<QueryResult<Row>> {
    const { statement, options } = readQueryArguments(first, second, third)
    this.#parts.background.checkOpen()
    this.#open()
    const { reads, classified, isAmbient } = this.#parts
    const around = isAmbient ? ambient() : undefined
    if (this.#yieldsTo(around)) return await this.whole.query<Row>(statement, options)
    const intent = options?.intent ?? around?.intent
    if (intent === 'read') return await reads.query<Row>(this.scope, statement, options)
    const onPrimary: OnPrimary<Row> = (own, limits) => this.#write<Row>(own, limits)
    if (intent === 'write') return await classified.write(statement, options, onPrimary)
    return await classified.query<Row>(this.scope, statement, options, onPrimary)
  }

  protected async send<R>(call: PoolCall<R>): Promise<R> {
    this.#parts.background.checkOpen()
    const primary = this.#open()
    const { reads, classified, isAmbient } = this.#parts
    const around = isAmbient ? ambient() : undefined
    if (call.kind === 'ready' || this.#yieldsTo(around)) return await call.run(this.whole)
    if (call.kind === 'listen') return await call.run(primary)
    if (call.kind === 'copyFrom') return await this.#onPrimary(call)
    const intent = call.intent ?? around?.intent
    if (intent === 'read') return await reads.run(this.scope, call)
    const isStream = call.kind === 'stream' || call.kind === 'copyTo'
    if (!isStream || intent === 'write') return await this.#onPrimary(call)
    return await classified.stream(this.scope, call, (left) => this.#onPrimary(call, left))
  }

  /** Whether the call belongs to another session of the same pool. */
  #yieldsTo(around: RunWithOptions | undefined): boolean {
    const session = around?.session?.of ?? around?.session
    return session instanceof SessionPool && session !== this && session.belongsTo(this.whole)
  }

  async #onPrimary<R>(
    call: Exclude<PoolCall<R>, { kind: 'listen' | 'ready' }>,
    left?: CallChanges,
  ): Promise<R> {
    const lend = (options: AcquireOptions | undefined): Promise<Lease> => this.#lend(options)
    const now = (): number => this.#parts.background.now()
    const failed = (error: unknown): unknown => this.#memory.failed(error)
    switch (call.kind) {
      case 'query':
        return await call.run({ query: (statement, options) => this.#write(statement, options) })
      case 'acquire':
        return await call.run({ acquire: lend })
      case 'use':
        return await call.run({ use: (work, options) => this.#use(work, options) })
      case 'transaction':
        return await call.run({
          transaction: (work, options) => this.#transaction(work, options),
        })
      case 'stream':
        return await call.run({
          stream: (statement, options) => leasedRows(lend, statement, options, failed),
        })
      case 'copyTo':
        return await call.run(
          { copyTo: (sql, options) => leasedCopyTo(now, lend, sql, options, failed) },
          left,
        )
      case 'copyFrom':
        return await call.run({
          copyFrom: (sql, source, options) => leasedCopyFrom(now, lend, sql, source, options),
        })
    }
  }

  async #write<Row>(
    statement: Statement,
    options: QueryOptions | undefined,
  ): Promise<QueryResult<Row>> {
    const primary = this.#open()
    this.#writes()
    const limits = this.#memory.limitsOf(options)
    const asked = this.#memory.questionForWrite()
    const sent = asked?.sentWith(statement) ?? statement
    const result = await this.#memory.written(primary.query<Row>(sent, options))
    await this.#memory.wrote(result.node, limits, asked?.position)
    return result
  }

  async #lend(options: AcquireOptions | undefined): Promise<Lease> {
    const primary = this.#open()
    this.#writes()
    return new SessionLease(await primary.acquire(options), this.#memory)
  }

  async #use<R>(
    work: (lease: Lease) => Promise<R>,
    options: AcquireOptions | undefined,
  ): Promise<R> {
    const primary = this.#open()
    this.#writes()
    return await this.#memory.written(
      primary.use((lease) => work(new SessionLease(lease, this.#memory)), options),
    )
  }

  async #transaction<R>(
    work: (tx: Transaction) => Promise<R>,
    options: TransactionOptions | undefined,
  ): Promise<R> {
    const primary = this.#open()
    this.#writes()
    let node: string | undefined
    const limits = this.#memory.limitsOf(options)
    const over = this.#memory.begin(undefined)
    try {
      const value = await this.#memory.written(
        primary.transaction(
          standsFor(work, async (tx) => {
            node = tx.node
            return await work(tx)
          }),
          options,
        ),
      )
      await this.#memory.wrote(node, limits)
      return value
    } finally {
      over()
    }
  }

  #writes(): void {
    this.#hasWritten = true
    this.#parts.counters.count('write')
  }

  #open(): Pool {
    this.checkOpen()
    this.#parts.background.checkRunning()
    return this.#parts.primary
  }
}
