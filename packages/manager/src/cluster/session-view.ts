import type { Pool } from '@poolhouse/core'
import type { ReaderOptions, ReplicaSession } from '@poolhouse/read-replicas'
import type { Member } from './database-member.js'
import type { DatabaseView } from './database-view.js'
import { ReadView } from './read-view.js'

/**
 * A session of one database: one of the cluster, in the context of that database. What it has seen
 * is a place in the log of all of them.
 */
export class SessionView extends ReadView implements ReplicaSession {
  readonly of: ReplicaSession
  readonly #view: DatabaseView
  readonly #member: Member

  /** `session` is that of the cluster. */
  constructor(view: DatabaseView, member: Member, session: ReplicaSession) {
    super(view, member, session, 'session')
    this.#view = view
    this.#member = member
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
    return new ReadView(this.#view, this.#member, this.of.reader(options), 'session/reader')
  }
}
