import {
  type AcquireOptions,
  type ConnectionPool,
  type CopyResult,
  type Endpoint,
  type Lease,
  LeaseReleasedError,
  type PoolEventName,
  type PoolListener,
  type PoolStats,
  type QueryOptions,
  type QueryResult,
  type ServerIdentity,
  type Session,
  type SessionOptions,
  type Statement,
  type StreamIterator,
  type StreamOptions,
  type Subscription,
  type Transaction,
  type TransactionOptions,
} from '@poolhouse/core'
import { EventHub, piggybackOf, readQueryArguments, sumStats } from '@poolhouse/core/kit'

/** A statement that a fake server gets. */
export interface Asked {
  readonly text: string
  readonly options: QueryOptions | undefined
}

type Answer = (asked: Asked) => unknown

/**
 * A pool whose server is a function. Statements of sessions (monitors, probes) are answered by its
 * role and position.
 */
export class FakePool implements ConnectionPool {
  readonly name: string
  readonly endpoint: Endpoint
  /** Statements that callers ran, in order. */
  readonly asked: Asked[] = []
  /** Samples taken through `query`. */
  readonly sampled: Asked[] = []
  /** Questions for the names that its database has of its own. */
  readonly named: Asked[] = []
  /** The rows that answer them. */
  names: unknown[] | Promise<unknown[]> = []
  /** Reasons given to `destroyAll`. */
  readonly destroyed: string[] = []
  /** Options of the transactions begun. */
  readonly transactions: TransactionOptions[] = []
  /** Options of the connections acquired. */
  readonly acquired: (AcquireOptions | undefined)[] = []
  /** Channels that callers listen to. */
  readonly listened: string[] = []
  /** Sessions opened so far. */
  readonly sessions: FakeSession[] = []
  inRecovery = true
  position = 1_000
  /** Where the flushed part of a primary's log ends, if that is before its position. */
  flushed: number | undefined
  replayPaused = false
  systemId = '7000000000000000001'
  timeline = 1
  /** Whether a standby tells which timeline it follows. */
  tellsTimeline = true
  receiving = true
  /** Process id of the WAL receiver of a standby. */
  receiver = 100
  /** Life and place of the server, where it tells them. */
  startedAt: string | undefined
  place: string | undefined
  /** Where its timeline began, as a primary that was promoted tells. */
  begin: string | undefined
  /** Text of its `.history` file, if the role may read that. */
  historyFile: string | undefined
  serverVersion = '18.4'
  /** Texts of `WAIT FOR LSN` that it got, and its answer to them. */
  readonly waits: string[] = []
  waitFor: (text: string) => string | Promise<string> = () => 'timeout'
  /** The samples of monitors. */
  polls = 0
  /** The texts of samples that came over sessions. */
  readonly questions: string[] = []
  /** What named statements of a session end with. */
  refusal: Error | undefined
  /** Process id of the session that answers. */
  backendPid = 1
  /** What callers get: rows or a rejection. */
  answer: Answer = () => undefined
  /** What `openSession` and sessions fail with, if set. */
  down: Error | undefined
  /** Whether monitors get no answer. */
  hangs = false
  /** The answer to a piggybacked statement; undefined if it sends statements alone. */
  answersBehind: (() => QueryResult<unknown> | undefined) | undefined
  /** Whether leases end as soon as they are made. */
  loseLeases = false
  /** The leased connections in its statistics. */
  leased = 1
  max = 10
  closed = false
  readonly #hub = new EventHub()

  constructor(name: string) {
    this.name = name
    this.endpoint = { host: name, port: 5432, database: 'app' }
  }

  async query<Row>(
    first: string | Statement,
    second?: readonly unknown[] | QueryOptions,
    third?: QueryOptions,
  ): Promise<QueryResult<Row>> {
    const { statement, options } = readQueryArguments(first, second, third)
    const asked = { text: statement.text, options }
    if (asked.text.includes('pg_is_in_recovery')) {
      this.sampled.push(asked)
      return this.sample() as QueryResult<Row>
    }
    if (asked.text.includes('as own_name')) {
      this.named.push(asked)
      if (this.down !== undefined) throw this.down
      return this.#result<Row>(await this.names)
    }
    this.asked.push(asked)
    const rows = await this.answer(asked)
    if (this.answersBehind) piggybackOf(statement)?.answered(this.answersBehind())
    return this.#result<Row>(Array.isArray(rows) ? rows : [])
  }

  async acquire(options?: AcquireOptions): Promise<Lease> {
    this.acquired.push(options)
    await this.answer({ text: '(acquire)', options: undefined })
    const lease = new FakeLease(this)
    if (this.loseLeases) lease.release()
    return lease
  }

  async use<R>(work: (lease: Lease) => Promise<R>, options?: AcquireOptions): Promise<R> {
    const lease = await this.acquire(options)
    try {
      return await work(lease)
    } finally {
      lease.release()
    }
  }

  transaction<R>(work: (tx: Transaction) => Promise<R>, options?: TransactionOptions): Promise<R>
  transaction(
    statements: readonly (Statement | string)[],
    options?: TransactionOptions,
  ): Promise<QueryResult[]>
  async transaction(
    asked: ((tx: Transaction) => Promise<unknown>) | readonly (Statement | string)[],
    options: TransactionOptions = {},
  ): Promise<unknown> {
    const work = asked as (tx: Transaction) => Promise<unknown>
    this.transactions.push(options)
    await this.answer({ text: '(begin)', options: undefined })
    const value = await work(this as unknown as Transaction)
    await this.answer({ text: '(commit)', options: undefined })
    return value
  }

  stream<Row>(
    first: string | Statement,
    second?: readonly unknown[] | StreamOptions,
    third?: StreamOptions,
  ): StreamIterator<Row> {
    const { statement } = readQueryArguments<StreamOptions>(first, second, third)
    return this.#rows<Row>(statement.text) as StreamIterator<Row>
  }

  copyTo(sql: string): StreamIterator<Uint8Array> {
    return this.#rows<Uint8Array>(sql) as StreamIterator<Uint8Array>
  }

  async copyFrom(sql: string): Promise<CopyResult> {
    const { rowCount, command } = await this.query(sql)
    return { rowCount, command }
  }

  async *#rows<Row>(text: string): AsyncGenerator<Row, undefined> {
    yield* (await this.query<Row>(text)).rows
  }

  async listen(channel: string): Promise<Subscription> {
    this.listened.push(channel)
    const end = async (): Promise<void> => {}
    return { channel, closed: false, listening: true, close: end, [Symbol.asyncDispose]: end }
  }

  async openSession(_options?: SessionOptions): Promise<Session> {
    if (this.down !== undefined) throw this.down
    const session = new FakeSession(this)
    this.sessions.push(session)
    return session as unknown as Session
  }

  /** The answer to a monitor. */
  sample(): QueryResult<unknown> {
    if (this.down !== undefined) throw this.down
    this.polls++
    const { inRecovery } = this
    return this.#result([
      {
        system_id: this.systemId,
        timeline: inRecovery && this.tellsTimeline ? 1 : this.timeline,
        received_timeline: inRecovery && this.tellsTimeline ? this.timeline : null,
        receiving: inRecovery ? this.receiving : null,
        receiver: inRecovery && this.receiving ? this.receiver : null,
        receive_lsn: inRecovery ? `0/${this.position.toString(16)}` : null,
        tells_past: this.historyFile !== undefined,
        begin: this.begin ?? null,
        started_at: this.startedAt,
        place: this.place,
        in_recovery: this.inRecovery,
        pid: this.backendPid,
        lsn: `0/${this.position.toString(16)}`,
        flushed: inRecovery ? null : `0/${(this.flushed ?? this.position).toString(16)}`,
        replay_paused: this.replayPaused,
      },
    ])
  }

  /** The answer to a question for its `.history` file. */
  tellHistory(): QueryResult<unknown> {
    return this.#result([{ history: this.historyFile }])
  }

  /** The answer to `WAIT FOR LSN`. */
  async waitForLsn(text: string): Promise<QueryResult<unknown>> {
    this.waits.push(text)
    return this.#result([{ status: await this.waitFor(text) }])
  }

  destroyAll(reason: string): void {
    this.destroyed.push(reason)
  }

  /** Opens a connection that leads to this server. */
  leadsTo(server: ServerIdentity): void {
    this.#hub.emit('connect', { pool: this.name, connection: 1, createMs: 1, server })
  }

  /** Lets the pool report a failure of its own. */
  report(error: unknown): void {
    this.#hub.emit('error', { pool: this.name, error })
  }

  stats(): PoolStats {
    const { nodes: _, ...zero } = sumStats({})
    return { ...zero, max: this.max, leased: this.leased }
  }

  on<Name extends PoolEventName>(event: Name, listener: PoolListener<Name>): this {
    this.#hub.on(event, listener)
    return this
  }

  off<Name extends PoolEventName>(event: Name, listener: PoolListener<Name>): this {
    this.#hub.off(event, listener)
    return this
  }

  /** Whether the event has a listener. */
  heard(event: PoolEventName): boolean {
    return this.#hub.has(event)
  }

  async close(): Promise<void> {
    this.closed = true
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  tryAcquire(): undefined {}
  async ready(): Promise<void> {}
  async warm(): Promise<void> {}
  resize(): void {}
  reconfigure(): void {}
  suspend(): void {}
  resume(): void {}
  async recycle(): Promise<void> {}
  suspect(): void {}
  silentForMs(): number {
    return 0
  }
  inspect(): never {
    throw new Error('not part of the fake')
  }

  #result<Row>(rows: unknown[]): QueryResult<Row> {
    return { rows: rows as Row[], rowCount: 0, command: 'SELECT', fields: [], node: this.name }
  }
}

class FakeLease implements Lease {
  readonly connection = 1
  readonly node: string
  readonly raw = undefined
  readonly #pool: FakePool
  readonly #end = new AbortController()

  constructor(pool: FakePool) {
    this.#pool = pool
    this.node = pool.name
  }

  get info(): never {
    throw new Error('not part of the fake')
  }

  get signal(): AbortSignal {
    return this.#end.signal
  }

  query<Row>(
    first: string | Statement,
    second?: readonly unknown[] | QueryOptions,
    third?: QueryOptions,
  ): Promise<QueryResult<Row>> {
    return this.#pool.query<Row>(first, second, third)
  }

  async batch(
    statements: readonly (Statement | string)[],
  ): Promise<PromiseSettledResult<QueryResult>[]> {
    const outcomes: PromiseSettledResult<QueryResult>[] = []
    for (const statement of statements) {
      const given = typeof statement === 'string' ? { text: statement } : statement
      outcomes.push(
        ...(await Promise.allSettled([this.#pool.query<Record<string, unknown>>(given)])),
      )
    }
    return outcomes
  }

  stream<Row>(
    first: string | Statement,
    second?: readonly unknown[] | StreamOptions,
    third?: StreamOptions,
  ): StreamIterator<Row> {
    return this.#pool.stream<Row>(first, second, third)
  }

  copyTo(sql: string): StreamIterator<Uint8Array> {
    return this.#pool.copyTo(sql)
  }

  copyFrom(sql: string): Promise<CopyResult> {
    return this.#pool.copyFrom(sql)
  }

  release(): void {
    this.#end.abort(new LeaseReleasedError(this.node))
  }

  destroy(): void {
    this.release()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.release()
  }
}

class FakeSession {
  readonly #pool: FakePool
  readonly #end = new AbortController()

  constructor(pool: FakePool) {
    this.#pool = pool
  }

  get info(): { readonly parameters: ReadonlyMap<string, string> } {
    return { parameters: new Map([['server_version', this.#pool.serverVersion]]) }
  }

  get signal(): AbortSignal {
    return this.#end.signal
  }

  get closed(): boolean {
    return this.#end.signal.aborted
  }

  async query(first: string | Statement): Promise<QueryResult<unknown>> {
    const { text } = typeof first === 'string' ? { text: first } : first
    if (text.startsWith('WAIT')) return await this.#pool.waitForLsn(text)
    if (text.endsWith('as history')) return this.#pool.tellHistory()
    this.#pool.questions.push(text)
    if (typeof first !== 'string' && first.name !== undefined && this.#pool.refusal !== undefined) {
      throw this.#pool.refusal
    }
    return this.#pool.hangs ? await new Promise(() => {}) : this.#pool.sample()
  }

  async close(): Promise<void> {
    this.#end.abort()
  }

  destroy(): void {
    this.#end.abort()
  }
}
