import {
  ConnectionLostError,
  type Intent,
  isPoolhouseError,
  type Lease,
  LeaseReleasedError,
  SessionStateError,
  StatementTimeoutError,
} from '@poolhouse/core'
import { type LeasedSession, leadsToWriter, leasedSession } from '@poolhouse/core/kit'
import { realTimers } from '@poolhouse/core/net'
import { asksSession, pinOf } from '@poolhouse/core/sql'
import type { QueryResult as PgQueryResult } from 'pg'
import { toPgError } from '../statement/pg-error.js'
import { pgValues } from '../statement/pg-values.js'
import type { PgQuery, Submittable } from '../statement/read-query.js'
import type { ClientHost } from './client-host.js'
import { ClientLine, type TurnLimit } from './client-line.js'
import type { ForwardedEvents } from './forwarded-events.js'
import { type QueryTypes, runRaw, runRawQuery } from './raw-work.js'

/** The client that is out, as its borrowing sees it. */
export interface BorrowedClient {
  /** Hands on what happens on the session that it is bound to. */
  readonly forwarded: ForwardedEvents
  /** The parsers that results of queries without any of their own are read with. */
  readonly queryTypes: QueryTypes
  /** All that it was given to do is done. */
  drained(): void
}

/**
 * One check-out of a client: runs what the client is given, in order, and says where. An eager one
 * has its session from the beginning. A lazy one sends a lone statement where the pool sends it,
 * and takes a session only for as long as one is pinned (see `pinOf`).
 */
export class Borrowing {
  readonly #client: BorrowedClient
  readonly #host: ClientHost
  readonly #isLazy: boolean
  readonly #line: ClientLine
  #lease: Lease | undefined
  // Whether a lazy client keeps its session until it is released.
  #stays = false
  // Whether a lazy client has lost the session that its next statement belongs to.
  #broken = false
  // The first error of a session that is gone in a transaction; false where that was in none, or
  // the client has not seen the error.
  #loss: unknown
  // The error of a statement with an unknown outcome, until a later one is answered: where it ran
  // into its time, the session is found to be gone only afterwards.
  #doubt: unknown
  // Whether what runs talks to the connection itself.
  #submitting = false
  #over = false
  // What `pg` said last, as `getTransactionStatus` tells it.
  #status: 'I' | 'T' | 'E' = 'I'

  /** With a lease it is eager. */
  constructor(client: BorrowedClient, host: ClientHost, lease: Lease | undefined) {
    this.#client = client
    this.#host = host
    this.#isLazy = lease === undefined
    this.#line = new ClientLine(() => client.drained())
    this.#lease = lease
    if (lease !== undefined) client.forwarded.bind(lease)
  }

  /** The session that the client is bound to. */
  get lease(): Lease | undefined {
    return this.#lease
  }

  /** Whether the client was released. */
  get over(): boolean {
    return this.#over
  }

  /** Whether anything that the client was given to do is not done yet. */
  get busy(): boolean {
    return this.#line.busy
  }

  /**
   * Process id of the server session that runs the client's statements; null while it may be any,
   * and where a cancel request to the primary would not reach it.
   */
  get processId(): number | null {
    const lease = this.#lease
    if (lease === undefined || !leadsToWriter(this.#host.base, lease)) return null
    return leasedSession(lease)?.hasOwnProcess === true ? lease.info.backendPid : null
  }

  /** The transaction status as `pg` tells it; that of before while a statement is under way. */
  get transactionStatus(): 'I' | 'T' | 'E' {
    const lease = this.#lease
    if (lease === undefined) return 'I'
    switch (leasedSession(lease)?.transactionStatus()) {
      case 'idle':
        this.#status = 'I'
        break
      case 'active':
        this.#status = 'T'
        break
      case 'failed':
        this.#status = 'E'
        break
      default:
    }
    return this.#status
  }

  /** Calls back once the client has done what it was given to do. */
  whenFree(call: () => void): void {
    this.#line.whenFree(call)
  }

  /**
   * The error with which the session was lost, for a text that ends a transaction or a savepoint;
   * undefined for any other text. Libraries roll back after a failure and pass on the error of that
   * instead: it must say the same about the work, or nothing where the error is not known.
   */
  lossFor(text: string): unknown {
    const loss = this.#loss
    if (loss === undefined || !ENDS_WORK.test(text)) return undefined
    return isPoolhouseError(loss) ? loss : notQueryable()
  }

  /** Runs a query; `first` is what the caller gave for it. Rejects as `pg` does. */
  query(query: PgQuery, first: unknown): Promise<PgQueryResult | PgQueryResult[]> {
    const { text, values, name } = query.statement
    const written = pgValues(this.#host.pg, values)
    const limit = this.#limitOf(query)
    if (written === values) return this.#line.run(() => this.#run(query, first), limit)
    const statement = { text, values: written, name, undecoded: true as const }
    return this.#line.run(() => this.#run({ ...query, statement }, first), limit)
  }

  /** How long a query waits for those before it: a cursor may stay open for ever. */
  #limitOf({ timeoutMs = this.#host.queryTimeoutMs }: PgQuery): TurnLimit | undefined {
    if (!timeoutMs || !this.#line.busy) return undefined
    const pool = this.#host.base.name
    const late = (): Error =>
      toPgError(
        this.#host.pg,
        new StatementTimeoutError(timeoutMs, { executed: 'no', pool }),
      ) as Error
    return { timeoutMs, late }
  }

  async #run(query: PgQuery, first: unknown): Promise<PgQueryResult | PgQueryResult[]> {
    const { statement, timeoutMs } = query
    const host = this.#host
    const loss = this.lossFor(statement.text)
    if (loss !== undefined) throw loss
    const wasInTransaction = this.#isInTransaction
    try {
      const options = timeoutMs === undefined ? undefined : { timeoutMs }
      const special = query.needsClient
      let lease = this.#lease
      if (this.#isLazy) {
        const pin = pinOf(statement.text)
        if (lease === undefined) {
          this.#refuseIfBroken()
          if (!pin.binds && !special && !this.#client.forwarded.wantsMessages) {
            if (asksSession(statement.text)) throw noSession()
            return this.#read(query, await host.pool.query(statement, options))
          }
          lease = await this.#bind(pin.intent, pin.binds || special)
        } else if (this.#isStranded(lease)) throw stranded()
        if (pin.stays) this.#stays = true
      } else if (lease === undefined) throw notQueryable()
      const result = special
        ? await this.#runRaw(lease, query, first)
        : this.#read(query, await lease.query(statement, options))
      this.#doubt = undefined
      return result
    } catch (cause) {
      const error = toPgError(host.pg, cause)
      const isUnknown = isPoolhouseError(error) && error.executed === 'unknown'
      if (isUnknown && wasInTransaction) this.#doubt = error
      this.#noteLoss(wasInTransaction && error)
      throw this.#loss === false ? error : (this.lossFor(statement.text) ?? error)
    } finally {
      if (this.#isLazy) this.#settle()
    }
  }

  get #isInTransaction(): boolean {
    const session = this.#lease && leasedSession(this.#lease)
    return session !== undefined && session.transactionStatus() !== 'idle'
  }

  /** Keeps the first error that the caller gets from a session that is gone. */
  #noteLoss(error: unknown): void {
    const lease = this.#lease
    const isGone = lease === undefined ? this.#broken : leasedSession(lease)?.over === true
    if (isGone) this.#loss ??= this.#doubt ?? error
  }

  /**
   * Runs what only `pg` itself can, within the limit of the query or the pool, which the pool does
   * not keep for `raw`. Past its time the session is thrown away: nothing says how far
   * the server has come with it, and a server that is gone would never say.
   */
  async #runRaw(
    lease: Lease,
    query: PgQuery,
    first: unknown,
  ): Promise<PgQueryResult | PgQueryResult[]> {
    const ofCaller = query.timeoutMs ?? this.#host.queryTimeoutMs
    const timeoutMs = ofCaller || leasedSession(lease)?.statementTimeoutMs
    if (!timeoutMs) return await runRawQuery(lease, query, first, this.#client.queryTypes)
    let isLate = false
    const timer = realTimers.setTimeout(() => {
      isLate = true
      this.#destroy('a query ran past its time')
    }, timeoutMs)
    try {
      return await runRawQuery(lease, query, first, this.#client.queryTypes)
    } catch (cause) {
      if (!isLate) throw cause
      const pool = this.#host.base.name
      throw new StatementTimeoutError(timeoutMs, { executed: 'unknown', pool, cause })
    } finally {
      realTimers.clearTimeout(timer)
    }
  }

  #read(query: PgQuery, result: Parameters<ClientHost['results']['read']>[0]): PgQueryResult {
    const types = query.types ?? this.#client.queryTypes.given
    return this.#host.results.read(result, query.asArray, types)
  }

  /** Runs what talks to the connection itself, which holds the session until it is over. */
  submit(query: Submittable): void {
    this.#line
      .run(async () => {
        this.#submitting = true
        try {
          let lease = this.#lease
          if (lease === undefined) {
            this.#refuseIfBroken()
            lease = await this.#bind(undefined, true)
          } else if (this.#isStranded(lease)) throw stranded()
          await runRaw(lease, (raw) => {
            // Returns the query itself, which must not be taken for a promise.
            raw.query(query)
          })
        } finally {
          this.#submitting = false
          // Its error, if it had one, went to the query itself.
          this.#noteLoss(false)
          if (this.#isLazy) this.#settle()
        }
      })
      .catch((error: unknown) => fail(query, toPgError(this.#host.pg, error)))
  }

  /**
   * Takes a session. Where what follows may rely on it, such as the statements behind a BEGIN that
   * were given with it, the client is of no use without it: they must not run by themselves.
   */
  async #bind(intent: Intent | undefined, isNeeded: boolean): Promise<Lease> {
    const { pool, readsElsewhere } = this.#host
    const reads = intent === 'read' && readsElsewhere !== false
    let lease: Lease
    try {
      lease = await pool.acquire(reads ? { intent } : undefined)
    } catch (error) {
      if (isNeeded) this.#broken = true
      throw error
    }
    // Released or ended while it waited: nothing would give this session back any more.
    if (this.#broken || (this.#over && this.#submitting)) {
      lease.release()
      throw this.#broken ? notQueryable() : new LeaseReleasedError(this.#host.base.name)
    }
    this.#lease = lease
    this.#client.forwarded.bind(lease)
    return lease
  }

  /** A lazy client gives its session back as soon as nothing pins it. */
  #settle(): void {
    const lease = this.#lease
    if (lease === undefined) return
    const session: LeasedSession | undefined = leasedSession(lease)
    if (session?.over === true) {
      // What follows may belong to the transaction, or need the setting, that is gone with it.
      this.#broken = true
      this.#client.forwarded.lose(lossOf(lease))
      this.#unbind(lease)
    } else if (!this.#stays && session?.transactionStatus() === 'idle') {
      this.#unbind(lease)
    }
  }

  /**
   * Whether a setting keeps the client on a replica after the transaction that brought it there:
   * what it would read may be older than what was written meanwhile.
   */
  #isStranded(lease: Lease): boolean {
    if (!this.#stays || leadsToWriter(this.#host.base, lease)) return false
    return leasedSession(lease)?.transactionStatus() === 'idle'
  }

  #unbind(lease: Lease): void {
    this.#lease = undefined
    this.#client.forwarded.unbind()
    lease.release()
  }

  #refuseIfBroken(): void {
    if (this.#broken) throw notQueryable()
  }

  /**
   * Gives the session back. `destroys` throws it away at once, with what is under way. Otherwise
   * what the client was given before is done first; an open cursor or stream gets the time that it
   * takes to clean a session.
   */
  end(destroys: string | undefined): void {
    this.#over = true
    if (destroys !== undefined) {
      this.#destroy(destroys)
      return
    }
    if (this.#submitting) {
      this.#line.refuse(() => new LeaseReleasedError(this.#host.base.name))
      this.#giveBack()
    } else {
      this.#line.whenFree(() => this.#giveBack())
    }
  }

  #destroy(reason: string): void {
    const lease = this.#lease
    this.#lease = undefined
    this.#broken = true
    this.#client.forwarded.unbind()
    lease?.destroy(reason)
  }

  #giveBack(): void {
    const lease = this.#lease
    if (lease !== undefined) this.#unbind(lease)
  }
}

// A lone COMMIT, ROLLBACK or RELEASE, of a transaction that is not prepared.
const ENDS_WORK = /^\s*(?:abort|commit|end|release|rollback)\b(?![^;]*\bprepared\b)[^;]*;?\s*$/i

/** Why a session is over. Its signal tells that a moment later than its statements. */
function lossOf({ signal }: Lease): unknown {
  if (signal.aborted) return signal.reason
  return new ConnectionLostError('the connection ended', { executed: 'no' })
}

function noSession(): Error {
  return new SessionStateError(
    'currval() and lastval() tell what a statement before has done in the same session, and a lazy client may have run that in another one; use RETURNING, or run both in a transaction, or take checkout: "eager"',
  )
}

function stranded(): Error {
  return new SessionStateError(
    'a read-only transaction of this lazy client has set something in the session of a replica, so its next statement can run neither there nor elsewhere; use SET LOCAL, release the client, or take checkout: "eager"',
  )
}

/** What `pg` says of a client whose session is gone. */
function notQueryable(): Error {
  return new Error('Client has encountered a connection error and is not queryable')
}

/** Fails what was never given to a connection, in the way of `pg`: not before its caller has it. */
export function fail(query: Submittable, error: unknown): void {
  const { handleError } = query as { handleError?: (error: unknown, connection: unknown) => void }
  realTimers.nextTick(() => handleError?.call(query, error, NO_CONNECTION))
}

// A cursor that fails sends a Sync; it has no connection to send it to.
const NO_CONNECTION: { sync(): void } = { sync: () => undefined }
