import {
  type CloseOptions,
  type Pool,
  PoolClosedError,
  type PoolEventName,
  type PoolListener,
  type PoolStats,
} from '@poolhouse/core'
import { type PoolCall, PoolDecorator, readCloseOptions } from '@poolhouse/core/kit'
import { currentMember } from './current-member.js'
import type { Member } from './database-member.js'
import type { DatabaseView } from './database-view.js'

/**
 * A view of one database: a view of the cluster, such as a reader, in the context of that database.
 */
export class ReadView extends PoolDecorator {
  readonly name: string
  readonly #view: DatabaseView
  readonly #member: Member
  readonly #inner: Pool
  #closed = false

  /** `inner` is the view of the cluster, `what` says for names what it is. */
  constructor(view: DatabaseView, member: Member, inner: Pool, what: string) {
    super()
    this.name = `${view.name}/${what}`
    this.#view = view
    this.#member = member
    this.#inner = inner
  }

  protected send<R>(call: PoolCall<R>): Promise<R> {
    // Channels are the database's, and are listened to on its primary.
    if (call.kind === 'listen') return this.call(() => call.run(this.#view))
    return this.call(() => call.run(this.#inner))
  }

  stats(): PoolStats {
    return this.#view.stats()
  }

  on<Name extends PoolEventName>(event: Name, listener: PoolListener<Name>): this {
    this.#view.on(event, listener)
    return this
  }

  off<Name extends PoolEventName>(event: Name, listener: PoolListener<Name>): this {
    this.#view.off(event, listener)
    return this
  }

  async close(options: CloseOptions = {}): Promise<void> {
    readCloseOptions(options)
    this.#closed = true
  }

  /** Runs `work` in the context of the database. */
  protected call<R>(work: () => Promise<R>): Promise<R> {
    try {
      if (this.#closed || this.#view.closed) throw new PoolClosedError(this.name)
      this.#member.usedAt = this.#member.clock.now()
      return this.#view.telling(currentMember.run(this.#member, work))
    } catch (error) {
      return Promise.reject(error)
    }
  }
}
