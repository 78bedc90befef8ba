import {
  ConnectionLostError,
  type Lease,
  LeaseReleasedError,
  SessionStateError,
} from '@poolhouse/core'
import {
  CHANGES_SESSION,
  CONTROLS_TRANSACTION,
  COPIES,
  LOCKS_SESSION,
  leasedSession,
  READ_IN_TWO_WAYS,
  SPOILS_SESSION,
  traitsOf,
} from '@poolhouse/core/kit'
import { nameAt, SqlStatements, TOKEN } from '@poolhouse/core/sql'
import type { PostgresQuery } from './postgres-query.js'
import { type ReservedParts, targetOf } from './reserved-sql.js'
import { statementsOf } from './several-statements.js'
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

const STAYING = CHANGES_SESSION | LOCKS_SESSION | SPOILS_SESSION | READ_IN_TWO_WAYS
const BINDING = CONTROLS_TRANSACTION | COPIES
const BEGINS_READING = /^\s*(?:begin|start\s+transaction)\b(?!.*serializable).*\bread\s+only\b/is

// What a sequence gave last, in this session.
const ASKS_SEQUENCE = /\b(?:curr|last)val\s*\(/i

/** Whether a text asks for what a statement before has done in the same session. */
function asksSession(text: string): boolean {
  if (!ASKS_SEQUENCE.test(text)) return false
  const { lexer } = new SqlStatements(text)
  for (let kind = lexer.next(); kind !== TOKEN.end; kind = lexer.next()) {
    if (kind !== TOKEN.word) continue
    const name = nameAt(text, lexer.start, lexer.end)
    if (name === 'currval' || name === 'lastval') return true
  }
  return false
}

function noSession(): Error {
  return new SessionStateError(
    'currval() and lastval() tell what a statement before has done in the same session, and a lazy reservation may have run that in another one; use RETURNING, or run both in a transaction, or take checkout: "eager"',
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
    const traits = traitsOf(text)
    const stays = (traits & STAYING) !== 0
    if (this.#bound === undefined) {
      if (this.#broken !== undefined) throw this.#broken
      const binds = stays || (traits & BINDING) !== 0 || statementsOf(text).length > 1
      if (!binds) {
        if (asksSession(text)) throw noSession()
        return target
      }
      const reads = BEGINS_READING.test(text) && limits?.intent !== 'write'
      const lease = await this.#acquire(reads)
      this.#bound = { lease, target: targetOf(lease) }
    }
    if (stays) this.#stays = true
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
