import type { QueryResult, Statement } from '../api/statement.js'
import type { TransactionOptions } from '../api/transaction.js'
import { setExecuted } from '../outcome/database-error.js'
import { PoolhouseError } from '../outcome/poolhouse-error.js'
import type { OutcomeResolver, TransactionIdentity } from '../outcome/transaction-outcome.js'
import { SERVER_COLUMNS } from '../server/server-words.js'
import { guardWord } from '../sql/guard-words.js'
import { SqlStatements } from '../sql/sql-statements.js'

/**
 * Asks a transaction for its identity; sent in one message with BEGIN. Assigns the `xid8`, and
 * fails with 25006 on a standby. The timeline comes from the name of the WAL file, because the
 * control file shows a new one only after the next checkpoint.
 */
export const IDENTITY_QUERY: string =
  'SELECT pg_catalog.pg_current_xact_id()::pg_catalog.text AS xid, pg_catalog.pg_backend_pid() AS pid, ' +
  'pg_catalog.pg_current_wal_insert_lsn()::pg_catalog.text AS lsn, pg_catalog.now()::pg_catalog.text AS begun_at, ' +
  'pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()) AS wal_file, ' +
  `${SERVER_COLUMNS.startedAt} AS started_at, ${SERVER_COLUMNS.place} AS place`

/**
 * Reads the answer to `IDENTITY_QUERY`, whatever the driver made of its types; undefined if it does
 * not tell.
 */
function readIdentity({
  rows,
}: {
  readonly rows: readonly unknown[]
}): TransactionIdentity | undefined {
  const row = rows[0] as Partial<Record<string, unknown>> | undefined
  const { xid, pid, lsn, begun_at: begunAt, wal_file: walFile } = row ?? {}
  const { started_at: startedAt, place } = row ?? {}
  const timeline = typeof walFile === 'string' ? Number.parseInt(walFile.slice(0, 8), 16) : 0
  if (!(xid && pid && lsn && begunAt && timeline > 0)) return undefined
  return Object.freeze({
    xid: String(xid),
    backendPid: Number(pid),
    startLsn: String(lsn),
    timeline,
    begunAt: String(begunAt),
    startedAt: startedAt ? String(startedAt) : undefined,
    place: place ? String(place) : undefined,
  })
}

/**
 * The text that begins a transaction with these options, and asks for its identity if a `resolver`
 * needs it.
 */
export function beginStatement(options: TransactionOptions): string {
  let text = 'BEGIN'
  if (options.isolation !== undefined) text += ` ISOLATION LEVEL ${options.isolation.toUpperCase()}`
  if (options.readOnly !== undefined) text += options.readOnly ? ' READ ONLY' : ' READ WRITE'
  if (options.deferrable === true) text += ' DEFERRABLE'
  if (options.resolver !== undefined && options.readOnly !== true) text += `; ${IDENTITY_QUERY}`
  return text
}

const SET = guardWord('set')

const TRANSACTION = guardWord('transaction')

/**
 * Whether the text is a `SET TRANSACTION …`, most of which PostgreSQL takes only before the first
 * query of a transaction.
 */
export function setsTransaction(text: string): boolean {
  const statements = new SqlStatements(text)
  statements.next()
  if (statements.word !== SET) return false
  statements.next()
  return statements.word === TRANSACTION
}

/**
 * Owns the identity of one transaction, for `InDoubtError.resolve()`. Made only for a transaction
 * that has a `resolver` and may write.
 */
export class IdentityOfTransaction {
  readonly #makeResolver: NonNullable<TransactionOptions['resolver']>
  #identity: TransactionIdentity | undefined
  // The transaction was begun anew for a SET TRANSACTION, and lost the identity taken with BEGIN.
  #isLate = false

  private constructor(makeResolver: NonNullable<TransactionOptions['resolver']>) {
    this.#makeResolver = makeResolver
  }

  /** The owner for a transaction with these options; undefined if no identity is to be taken. */
  static of({ resolver, readOnly }: TransactionOptions): IdentityOfTransaction | undefined {
    if (resolver === undefined || readOnly === true) return undefined
    return new IdentityOfTransaction(resolver)
  }

  /** Takes it from the answer to `beginStatement`. */
  read(answer: { readonly rows: readonly unknown[] }): void {
    this.#identity = readIdentity(answer)
  }

  /**
   * The first statement of the work, as it is sent. PostgreSQL takes most of SET TRANSACTION only
   * before the first query, and the one for the identity was a query. As nothing else has been done
   * yet, a new transaction is begun for it in the same message; its identity is taken before
   * COMMIT.
   */
  asFirst(statement: Statement): Statement {
    if (this.#identity === undefined || statement.values?.length) return statement
    if (!setsTransaction(statement.text)) return statement
    this.#identity = undefined
    this.#isLate = true
    const { text, rowMode, undecoded } = statement
    return { text: `ROLLBACK AND CHAIN; ${text}`, rowMode, undecoded }
  }

  /** Takes it just before COMMIT, if it was lost. `ask` sends a statement. */
  async readLate(ask: (statement: Statement) => Promise<QueryResult>): Promise<void> {
    if (!this.#isLate) return
    try {
      this.read(await ask({ text: IDENTITY_QUERY }))
    } catch (error) {
      // COMMIT has not been sent.
      if (error instanceof PoolhouseError && error.executed === 'unknown') {
        setExecuted(error, 'rolled-back')
      }
      throw error
    }
  }

  /** What finds the outcome; undefined if the server did not tell the identity. */
  resolver(): OutcomeResolver | undefined {
    return this.#identity && this.#makeResolver(this.#identity)
  }
}
