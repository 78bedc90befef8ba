import {
  ConnectionLostError,
  type Lease,
  LeaseReleasedError,
  SessionStateError,
} from '@poolhouse/core'
import { leadsToWriter, leasedSession } from '@poolhouse/core/kit'
import { asksSession, pinOf } from '@poolhouse/core/sql'
import type { PostgresQuery } from './postgres-query.js'
import { type ReservedParts, targetOf } from './reserved-sql.js'
import { type SqlFunction, sqlScope } from './sql-scope.js'
import type { SqlTarget } from './sql-target.js'

/**
 * Reserves nothing yet: a lone statement runs where the pool sends it. A transaction takes a
 * connection until it is over, and what changes the session one until the release.
 */
export function reserveLazily(parts: ReservedParts): SqlFunction {
  const { base, runner } = parts
  const line = new LazyLine(parts)
  const sql = sqlScope(base, runner, (query) => line.targetFor(query), {
    inOrder: true,
    watch: (query) => {
      const settled = (): void => line.settled()
      query.then(settled, settled)
    },
  })
  return Object.assign(sql, { release: () => line.release() })
}

function noSession(): Error {
  return new SessionStateError(
    'currval() and lastval() tell what a statement before has done in the same session, and a lazy reservation may have run that in another one; use RETURNING, or run both in a transaction, or take checkout: "eager"',
  )
}

function stranded(): Error {
  return new SessionStateError(
    'a read-only transaction of this lazy reservation has set something in the session of a replica, so its next statement can run neither there nor elsewhere; use SET LOCAL, release the reservation, or take checkout: "eager"',
  )
}

/** The connection of a lazy reservation, while it has one. */
class LazyLine {
  readonly #parts: ReservedParts
  #bound: { readonly lease: Lease; readonly target: SqlTarget } | undefined
  // Whether the connection is kept until the release.
  #stays = false
  #broken: ConnectionLostError | undefined
  #released = false

  constructor(parts: ReservedParts) {
    this.#parts = parts
  }

  async targetFor(query: PostgresQuery): Promise<SqlTarget> {
    const { writer, target, pool, limits } = this.#parts
    if (this.#released) throw new LeaseReleasedError(pool.name)
    const { text } = writer.write(query)
    const pin = pinOf(text)
    if (this.#bound === undefined) {
      if (this.#broken !== undefined) throw this.#broken
      if (!pin.binds) {
        if (asksSession(text)) throw noSession()
        return target
      }
      const lease = await this.#acquire(pin.intent === 'read' && limits?.intent !== 'write')
      this.#bound = { lease, target: targetOf(lease) }
    } else if (this.#isStranded(this.#bound.lease)) throw stranded()
    if (pin.stays) this.#stays = true
    return this.#bound.target
  }

  async #acquire(reads: boolean): Promise<Lease> {
    const { pool } = this.#parts
    let lease: Lease
    try {
      lease = await pool.acquire(reads ? { intent: 'read' } : undefined)
    } catch (error) {
      // What follows may belong to the transaction that could not begin.
      this.#broken ??= new ConnectionLostError(
        'a former statement of this reservation got no connection, and the next one may need what it would have begun or set; release it and reserve again',
        { executed: 'no', cause: error },
      )
      throw error
    }
    if (!this.#released) return lease
    // Released while it waited: nothing would give this connection back any more.
    lease.release()
    throw new LeaseReleasedError(pool.name)
  }

  /**
   * Whether a setting keeps the reservation on a replica after the transaction that brought it
   * there: what it would read may be older than what was written meanwhile.
   */
  #isStranded(lease: Lease): boolean {
    if (!this.#stays || leadsToWriter(this.#parts.pool, lease)) return false
    return leasedSession(lease)?.transactionStatus() === 'idle'
  }

  /** A query is over: gives the connection back if nothing needs it any more. */
  settled(): void {
    const bound = this.#bound
    if (bound === undefined) return
    const session = leasedSession(bound.lease)
    if (session?.over === true) {
      this.#bound = undefined
      this.#broken = new ConnectionLostError(
        'the session of the reserved connection is over, and with it the transaction or setting that the next statement belongs to; release it and reserve again',
        { executed: 'no' },
      )
      bound.lease.release()
    } else if (!this.#stays && session?.transactionStatus() === 'idle') {
      this.#bound = undefined
      bound.lease.release()
    }
  }

  release(): void {
    this.#released = true
    this.#bound?.lease.release()
    this.#bound = undefined
  }
}
