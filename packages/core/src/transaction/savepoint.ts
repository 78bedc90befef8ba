import type { CopyResult } from '../api/driver.js'
import type { QueryOptions, QueryResult, Statement } from '../api/statement.js'
import type { CopyOptions, CopySource, StreamIterator, StreamOptions } from '../api/streaming.js'
import type { Transaction } from '../api/transaction.js'
import type { Durability } from '../outcome/executed.js'
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
    first: string | Statement,
    second?: readonly unknown[] | StreamOptions,
    third?: StreamOptions,
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
}

/**
 * What the work of a savepoint gets: the transaction as seen from that scope. Over when the work
 * has settled.
 */
export class Savepoint implements Transaction {
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

  stream<Row = Record<string, unknown>>(
    first: string | Statement,
    second?: readonly unknown[] | StreamOptions,
    third?: StreamOptions,
  ): StreamIterator<Row> {
    return this.#transaction.streamIn<Row>(this.#scope, first, second, third)
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
