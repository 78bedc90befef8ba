import type {
  ConnectionPool,
  Endpoint,
  Lease,
  PoolerInEffect,
  PoolSnapshot,
  QueryOptions,
  QueryResult,
  ReconfigureOptions,
  ResizeOptions,
  ServerInUse,
  Session,
  SessionOptions,
  Statement,
} from '@poolhouse/core'
import { type AcceptsServer, onlyTo, type PoolCall, PoolView } from '@poolhouse/core/kit'

/** The node under a view. */
export interface ViewedNode extends ConnectionPool {
  /** The pool of the member that the call is for. Throws `PoolhouseError` if there is none. */
  readonly poolOfCall: ConnectionPool
  /** The pools of all members. */
  readonly pools: readonly ConnectionPool[]
  servers(): readonly ServerInUse[]
  /** See `ConnectionPool`. `viewOf` is applied to the pool that opens the session. */
  openSession(
    options?: SessionOptions,
    viewOf?: (pool: ConnectionPool) => ConnectionPool,
  ): Promise<Session>
}

/**
 * A view of a node whose name leads to several servers: it uses only connections to the accepted
 * ones (`onlyTo`), in the pools of every member. Closing it closes nothing.
 */
export class ServerView extends PoolView<ViewedNode> implements ConnectionPool {
  readonly endpoint: Endpoint
  readonly #accepts: AcceptsServer
  // Weak, because the pools of tenants come and go.
  readonly #views = new WeakMap<ConnectionPool, ConnectionPool>()

  /** Opens nothing. */
  constructor(node: ViewedNode, accepts: AcceptsServer) {
    super(node.name, node)
    this.endpoint = node.endpoint
    this.#accepts = accepts
  }

  get pooler(): PoolerInEffect | undefined {
    return this.whole.pooler
  }

  get #view(): ConnectionPool {
    return this.#viewOf(this.whole.poolOfCall)
  }

  #viewOf(pool: ConnectionPool): ConnectionPool {
    let view = this.#views.get(pool)
    if (view === undefined) {
      view = onlyTo(pool, this.#accepts)
      this.#views.set(pool, view)
    }
    return view
  }

  protected send<R>(call: PoolCall<R>): Promise<R> {
    return call.run(this.#view)
  }

  /** Hands the arguments to the pool of the member as they are, without a call object. */
  override query<Row = Record<string, unknown>>(
    first: string | Statement,
    second?: readonly unknown[] | QueryOptions,
    third?: QueryOptions,
  ): Promise<QueryResult<Row>> {
    try {
      return this.#view.query<Row>(first as string, second as readonly unknown[], third)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  tryAcquire(): Lease | undefined {
    return this.#view.tryAcquire()
  }

  openSession(options?: SessionOptions): Promise<Session> {
    return this.whole.openSession(options, (pool) => this.#viewOf(pool))
  }

  destroyAll(reason: string): void {
    for (const pool of this.whole.pools) this.#viewOf(pool).destroyAll(reason)
  }

  onlyTo(accepts: AcceptsServer): ConnectionPool {
    return new ServerView(this.whole, (server) => this.#accepts(server) && accepts(server))
  }

  servers(): readonly ServerInUse[] {
    return this.whole.servers().filter(({ server }) => this.#accepts(server))
  }

  warm(count?: number): Promise<void> {
    return this.whole.warm(count)
  }

  resize(sizes: ResizeOptions): void {
    this.whole.resize(sizes)
  }

  reconfigure(options: ReconfigureOptions): void {
    this.whole.reconfigure(options)
  }

  suspend(): void {
    this.whole.suspend()
  }

  resume(): void {
    this.whole.resume()
  }

  recycle(): Promise<void> {
    return this.whole.recycle()
  }

  suspect(reason: string): void {
    this.whole.suspect(reason)
  }

  silentForMs(): number {
    return this.whole.silentForMs()
  }

  inspect(): PoolSnapshot {
    return this.whole.inspect()
  }
}
