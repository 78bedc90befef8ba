import type { DestroyEvent, Lease } from '@poolhouse/core'
import { leasedSession } from '@poolhouse/core/kit'
import type { PoolClient as PgPoolClient } from 'pg'
import { toPgError } from '../statement/pg-error.js'
import { Borrowing } from './borrowing.js'
import type { ClientHost } from './client-host.js'
import { clientMaker, type LendableClient, type MakeClient, type Setting } from './pool-client.js'

/** What was set in a session when it was new, and the reset that it has outlived. */
interface Settings {
  readonly all: readonly Setting[]
  resets: number
}

/**
 * Hands out the clients of one facade, and tells its listeners. Eager clients stand for a
 * connection each, and the same connection comes with the same client. Lazy ones stand for none,
 * and are used again so that those who keep notes about clients keep few.
 */
export class CheckOuts {
  readonly #host: ClientHost
  readonly #isLazy: boolean
  readonly #make: MakeClient
  // Eager clients by the name of their node's pool and the number of their connection.
  readonly #clients = new Map<string, Map<number, LendableClient>>()
  readonly #settings = new WeakMap<LendableClient, Settings>()
  // Lazy clients that are not out.
  readonly #free: LendableClient[] = []
  #out = 0
  #whenBack: (() => void)[] = []

  /** Hands out clients over the sessions of this host. */
  constructor(host: ClientHost) {
    this.#host = host
    this.#isLazy = host.checkout === 'lazy'
    this.#make = clientMaker(host.pg)
    if (!this.#isLazy) host.base.on('destroy', (event) => this.#gone(event))
  }

  /** Clients that are out. */
  get out(): number {
    return this.#out
  }

  /** Lends a client. Rejects with errors of core, or with what a hook rejects with. */
  checkOut(): Promise<PgPoolClient> {
    if (this.#isLazy) return this.#checkOutLazily()
    return this.#host.pool.acquire().then((lease) => this.#lend(lease))
  }

  /**
   * Resolves when every client that is out has come back. By default lazy ones alone count: a pool
   * that is closed waits for the others itself.
   */
  async allBack(every: boolean = this.#isLazy): Promise<void> {
    if (every && this.#out > 0) await new Promise<void>((resolve) => this.#whenBack.push(resolve))
  }

  async #checkOutLazily(): Promise<PgPoolClient> {
    const known = this.#free.pop()
    const lent = known ?? this.#make(this.#host)
    this.#begin(lent, undefined)
    if (known === undefined) await this.#introduce(lent)
    return this.#announce(lent)
  }

  /** Tells the listeners of `acquire`. What one throws is that of the check-out. */
  #announce(lent: LendableClient): PgPoolClient {
    try {
      this.#host.facade.emit('acquire', lent.client)
    } catch (error) {
      lent.client.release()
      throw error
    }
    return lent.client
  }

  #lend(lease: Lease): PgPoolClient | Promise<PgPoolClient> {
    const known = this.#clients.get(lease.node)?.get(lease.connection)
    if (known === undefined) return this.#lendNew(lease)
    this.#begin(known, lease)
    const settings = this.#settings.get(known)
    if (settings !== undefined && settings.resets !== resetsOf(lease)) {
      return this.#lendSet(known, settings)
    }
    return this.#announce(known)
  }

  async #lendNew(lease: Lease): Promise<PgPoolClient> {
    const lent = this.#make(this.#host)
    this.#register(lease.node, lease.connection, lent)
    this.#begin(lent, lease)
    await this.#introduce(lent)
    this.#announce(lent)
    const { verify } = this.#host
    if (verify !== undefined) await this.#orDestroy(lent, () => verify(lent.client))
    return lent.client
  }

  #register(node: string, connection: number, lent: LendableClient): void {
    const ofNode = this.#clients.get(node) ?? new Map<number, LendableClient>()
    this.#clients.set(node, ofNode)
    ofNode.set(connection, lent)
  }

  /** Announces a new client, and waits for what its listeners do with it. */
  async #introduce(lent: LendableClient): Promise<void> {
    const host = this.#host
    const borrowing = lent.borrowing!
    lent.beginSetup()
    try {
      if (host.onConnect !== undefined) {
        await this.#orDestroy(lent, async () => await host.onConnect?.(lent.client))
      }
      await this.#orDestroy(lent, async () => {
        host.facade.emit('connect', lent.client)
      })
      if (borrowing.busy) await new Promise<void>((resolve) => borrowing.whenFree(resolve))
    } finally {
      const all = lent.endSetup()
      if (all.length > 0) this.#keep(lent, { all, resets: 0 })
    }
  }

  async #orDestroy(lent: LendableClient, hook: () => Promise<unknown>): Promise<void> {
    try {
      await hook()
    } catch (error) {
      lent.client.release(true)
      throw error
    }
  }

  /** Sets again what a reset has undone. */
  async #lendSet(lent: LendableClient, settings: Settings): Promise<PgPoolClient> {
    const borrowing = lent.borrowing!
    await this.#orDestroy(lent, () =>
      Promise.all(settings.all.map(({ query, first }) => borrowing.query(query, first))),
    )
    this.#keep(lent, settings)
    return this.#announce(lent)
  }

  #keep(lent: LendableClient, settings: Settings): void {
    const lease = lent.borrowing?.lease
    if (lease === undefined) return
    leasedSession(lease)?.keep()
    settings.resets = resetsOf(lease)
    this.#settings.set(lent, settings)
  }

  #begin(lent: LendableClient, lease: Lease | undefined): void {
    this.#out++
    const borrowing = new Borrowing(lent, this.#host, lease)
    lent.lend(borrowing, (error) => this.#release(lent, borrowing, error))
  }

  #release(lent: LendableClient, borrowing: Borrowing, error: unknown): void {
    try {
      this.#host.facade.emit('release', error, lent.client)
    } finally {
      this.#takeBack(lent, borrowing, error)
    }
  }

  #takeBack(lent: LendableClient, borrowing: Borrowing, error: unknown): void {
    const destroys = error
      ? 'released with an error'
      : lent.ending
        ? 'ended by its borrower'
        : undefined
    borrowing.end(destroys)
    if (this.#isLazy && destroys === undefined) {
      borrowing.whenFree(() => this.#free.push(lent))
    }
    this.#out--
    if (this.#out > 0) return
    for (const resolve of this.#whenBack.splice(0)) resolve()
  }

  #gone({ pool, connection, cause }: DestroyEvent): void {
    const { facade: events, pg } = this.#host
    const ofNode = this.#clients.get(pool)
    let lent = ofNode?.get(connection)
    ofNode?.delete(connection)
    if (ofNode?.size === 0) this.#clients.delete(pool)
    if (lent === undefined) {
      // It has served queries of the pool alone.
      if (events.listenerCount('remove') === 0 && cause === undefined) return
      lent = this.#make(this.#host)
    }
    const { client } = lent
    Object.assign(client, { _ending: true, _ended: true })
    const isIdle = lent.borrowing === undefined || lent.borrowing.over
    if (cause !== undefined && isIdle) {
      const error = toPgError(pg, cause)
      if (error instanceof Error) Object.assign(error, { client })
      if (client.listenerCount('error') > 0) client.emit('error', error as Error)
      if (events.listenerCount('error') > 0) events.emit('error', error, client)
    }
    events.emit('remove', client)
  }
}

function resetsOf(lease: Lease): number {
  return leasedSession(lease)?.resets ?? 0
}
