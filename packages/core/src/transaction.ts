import type { Queryable } from './statement.js'

/** Isolation levels of PostgreSQL. */
export type IsolationLevel = 'read committed' | 'repeatable read' | 'serializable'

/** Options of `transaction`. */
export interface TransactionOptions {
  /** Isolation level. Default: the server's. */
  isolation?: IsolationLevel | undefined
  /** READ ONLY; lets a routing pool use a replica. Default false. */
  readOnly?: boolean | undefined
  /** DEFERRABLE; useful only with `serializable` and `readOnly`. Default false. */
  deferrable?: boolean | undefined
  /**
   * Runs `work` again, up to `attempts` times in all, when the transaction is known not to have happened: serialization
   * failure, deadlock, connection lost before COMMIT was sent. `work` must have no effect outside the transaction.
   */
  retry?: { attempts: number } | undefined
  /** Longest time from BEGIN to COMMIT in milliseconds. Default: none beyond each statement's own. */
  timeoutMs?: number | undefined
  /** Aborts the transaction: it is rolled back. */
  signal?: AbortSignal | undefined
}

/** An open transaction. After `work` has settled every call rejects with `TransactionError`. */
export interface Transaction extends Queryable {
  /** Runs `work` inside a savepoint, rolled back alone if `work` rejects. Nests. */
  savepoint<R>(work: (tx: Transaction) => Promise<R>): Promise<R>
  /** Rolls the transaction back now; `transaction()` then resolves with what `work` returns. */
  rollback(): Promise<void>
}
