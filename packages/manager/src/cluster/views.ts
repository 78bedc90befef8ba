import {
  type Pool,
  PoolClosedError,
  type QueryOptions,
  type QueryResult,
  type Statement,
} from '@poolhouse/core'
import { enterCall, leaveCall, type PoolCall, PoolView } from '@poolhouse/core/kit'
import type { ReaderOptions, ReplicaSession } from '@poolhouse/read-replicas'
import type { DatabaseMember } from './database-member.js'

/** The database under a view. */
export interface ViewedDatabase extends Pool {
  readonly closed: boolean
  /** Emits `in-doubt` to the listeners of the database if the call rejects with `InDoubtError`. */
  reportDoubt<R>(call: Promise<R>): Promise<R>
}

/**
 * A view of one database: a view of its server group, such as a reader, whose calls are made for
 * that database.
 */
export class ReadView extends PoolView<ViewedDatabase> {
  protected readonly member: DatabaseMember
  readonly #inner: Pool

  /** `inner` is the view of the server group; `what` is the part of the name after the slash. */
  constructor(database: ViewedDatabase, member: DatabaseMember, inner: Pool, what: string) {
    super(`${database.name}/${what}`, database)
    this.member = member
    this.#inner = inner
  }

  /** Hands the arguments on as they are, without a call object and an async context. */
  override query<Row = Record<string, unknown>>(
    first: string | Statement,
    second?: readonly unknown[] | QueryOptions,
    third?: QueryOptions,
  ): Promise<QueryResult<Row>> {
    const around = enterCall(this.member)
    try {
      this.#checkOpen()
      return this.whole.reportDoubt(
        this.#inner.query<Row>(first as string, second as readonly unknown[], third),
      )
    } catch (error) {
      return Promise.reject(error)
    } finally {
      leaveCall(around)
    }
  }

  protected send<R>(call: PoolCall<R>): Promise<R> {
    // Subscriptions are on the primary of the database, whatever the view.
    return this.call(() => call.run(call.kind === 'listen' ? this.whole : this.#inner))
  }

  /** Runs `work` as a call for the database. Rejects with `PoolClosedError` after `close`. */
  protected call<R>(work: () => Promise<R>): Promise<R> {
    try {
      this.#checkOpen()
      return this.whole.reportDoubt(this.member.within(work))
    } catch (error) {
      return Promise.reject(error)
    }
  }

  #checkOpen(): void {
    this.checkOpen()
    if (this.whole.closed) throw new PoolClosedError(this.name)
  }
}

/**
 * A read-your-writes session of one database: a session of its server group, whose calls are made
 * for that database. Its token is a position in the log that all databases of the group share.
 */
export class SessionView extends ReadView implements ReplicaSession {
  readonly of: ReplicaSession

  /** `session` is that of the server group. */
  constructor(database: ViewedDatabase, member: DatabaseMember, session: ReplicaSession) {
    super(database, member, session, 'session')
    this.of = session
  }

  get token(): string {
    return this.of.token
  }

  get hasWritten(): boolean {
    return this.of.hasWritten
  }

  freshToken(): Promise<string> {
    return this.call(() => this.of.freshToken())
  }

  see(token: string): void {
    this.of.see(token)
  }

  caughtUp(options?: { waitMs?: number | undefined }): Promise<boolean> {
    return this.call(() => this.of.caughtUp(options))
  }

  reader(options?: ReaderOptions): Pool {
    return new ReadView(this.whole, this.member, this.of.reader(options), 'session/reader')
  }
}
