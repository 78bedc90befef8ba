import type { CopyResult } from '../api/driver.js'
import type { QueryOptions, QueryResult, Statement } from '../api/statement.js'
import type { CopyOptions, CopySource, StreamArguments, StreamIterator } from '../api/streaming.js'
import type { Transaction } from '../api/transaction.js'
import { readable } from '../decorate/readable.js'
import { hasCondition } from '../outcome/conditions.js'
import type { Durability } from '../outcome/outcome.js'
import { savepointRolledBackError, scopeOverError } from './transaction-errors.js'
import type { TransactionScope } from './transaction-scope.js'

/** A transaction whose calls can be made in the scope of a savepoint. */
export interface ScopedTransaction extends Pick<Transaction, 'open' | 'node' | 'durability'> {
  /** `query` in this scope. */
  queryIn<Row = Record<string, unknown>>(
    scope: TransactionScope,
    first: string | Statement,
    second?: readonly unknown[] | QueryOptions,
    third?: QueryOptions,
  ): Promise<QueryResult<Row>>
  /** `stream` in this scope. */
  streamIn<Row = Record<string, unknown>>(
    scope: TransactionScope,
    ...args: StreamArguments
  ): StreamIterator<Row>
  /** `copyTo` in this scope. */
  copyToIn(scope: TransactionScope, sql: string, options?: CopyOptions): StreamIterator<Uint8Array>
  /** `copyFrom` in this scope. */
  copyFromIn(
    scope: TransactionScope,
    sql: string,
    source: CopySource,
    options?: CopyOptions,
  ): Promise<CopyResult>
  /** `savepoint` in this scope. */
  savepointIn<R>(scope: TransactionScope, work: (tx: Transaction) => Promise<R>): Promise<R>
  /** `rollback` called on this scope: always of the whole transaction. */
  rollbackFrom(scope: TransactionScope): Promise<void>
  /** Sends a statement of ours in this scope. */
  sendIn(scope: TransactionScope, text: string): Promise<void>
  /** Ends the stream or copy that is open; resolves when the server has answered all of it. */
  closeOpen(): Promise<void>
  /** Whether a statement has failed, so that the server refuses all but ROLLBACK. */
  readonly hasFailed: boolean
  /** Why it is over, for the caller of a savepoint. */
  whyOver(): Error
}

/**
 * Runs `work` in the savepoint `name`, which was begun in `outer`: releases it, or rolls it back if
 * `work` rejects, or returns although a statement of it has failed.
 */
export async function runSavepoint<R>(
  transaction: ScopedTransaction,
  outer: TransactionScope,
  scope: TransactionScope,
  name: string,
  work: (tx: Transaction) => Promise<R>,
): Promise<R> {
  let result: R
  try {
    result = await scope.run(() => work(new Savepoint(transaction, scope)))
    if (transaction.open) scope.refuseOpenSavepoint()
  } catch (error) {
    scope.close(scopeOverError)
    await undo(transaction, outer, name)
    throw error
  }
  scope.close(scopeOverError)
  await release(transaction, outer, scope, name)
  return result
}

async function undo(
  transaction: ScopedTransaction,
  outer: TransactionScope,
  name: string,
): Promise<void> {
  await transaction.closeOpen()
  if (transaction.open) await transaction.sendIn(outer, `ROLLBACK TO SAVEPOINT ${name}`)
}

async function release(
  transaction: ScopedTransaction,
  outer: TransactionScope,
  scope: TransactionScope,
  name: string,
): Promise<void> {
  await transaction.closeOpen()
  if (!transaction.open) {
    // Rolled back by its own work, it has ended as that wanted.
    if (scope.rolledBack) return
    throw transaction.whyOver()
  }
  try {
    // What its work has not awaited is before it.
    if (!transaction.hasFailed) {
      await transaction.sendIn(scope, `RELEASE SAVEPOINT ${name}`)
      return
    }
  } catch (error) {
    if (!hasCondition(error, 'in_failed_sql_transaction')) throw error
  }
  await undo(transaction, outer, name)
  throw savepointRolledBackError(scope.firstError)
}

/**
 * What the work of a savepoint gets: the transaction as seen from that scope. Over when the work
 * has settled.
 */
class Savepoint implements Transaction {
  static {
    readable(Savepoint, 'Savepoint', ({ node, open }) => ({ node, open }))
  }

  readonly #transaction: ScopedTransaction
  readonly #scope: TransactionScope

  /** Takes the scope that the savepoint has opened. */
  constructor(transaction: ScopedTransaction, scope: TransactionScope) {
    this.#transaction = transaction
    this.#scope = scope
  }

  get open(): boolean {
    return this.#transaction.open && !this.#scope.over
  }

  get node(): string {
    return this.#transaction.node
  }

  get durability(): Durability | undefined {
    return this.#transaction.durability
  }

  query<Row = Record<string, unknown>>(
    first: string | Statement,
    second?: readonly unknown[] | QueryOptions,
    third?: QueryOptions,
  ): Promise<QueryResult<Row>> {
    return this.#transaction.queryIn<Row>(this.#scope, first, second, third)
  }

  stream<Row = Record<string, unknown>>(...args: StreamArguments): StreamIterator<Row> {
    return this.#transaction.streamIn<Row>(this.#scope, ...args)
  }

  copyTo(sql: string, options?: CopyOptions): StreamIterator<Uint8Array> {
    return this.#transaction.copyToIn(this.#scope, sql, options)
  }

  copyFrom(sql: string, source: CopySource, options?: CopyOptions): Promise<CopyResult> {
    return this.#transaction.copyFromIn(this.#scope, sql, source, options)
  }

  savepoint<R>(work: (tx: Transaction) => Promise<R>): Promise<R> {
    return this.#transaction.savepointIn(this.#scope, work)
  }

  rollback(): Promise<void> {
    return this.#transaction.rollbackFrom(this.#scope)
  }
}
