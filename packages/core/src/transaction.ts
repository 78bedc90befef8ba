import { checkTimeout } from './call-options.js'
import {
  checkBoolean,
  checkNumber,
  checkWord,
  describeValue,
  refuseUnknownOptions,
} from './option-check.js'
import type { Queryable } from './statement.js'

/** Isolation levels of PostgreSQL. */
export type IsolationLevel = 'read committed' | 'repeatable read' | 'serializable'

/** How often a transaction may be run. */
export interface TransactionRetry {
  /** Attempts in all, the first included. */
  attempts: number
}

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
  retry?: TransactionRetry | undefined
  /** Longest time from BEGIN to COMMIT in milliseconds. Default: none beyond each statement's own. */
  timeoutMs?: number | undefined
  /** Aborts the transaction: it is rolled back and rejects with `AbortError`. */
  signal?: AbortSignal | undefined
}

/** An open transaction. After `work` has settled every call rejects with `TransactionError`. */
export interface Transaction extends Queryable {
  /** Runs `work` inside a savepoint, rolled back alone if `work` rejects. Nests. */
  savepoint<R>(work: (tx: Transaction) => Promise<R>): Promise<R>
  /** Rolls the transaction back now; `transaction()` then resolves with what `work` returns. */
  rollback(): Promise<void>
}

const KNOWN: ReadonlySet<string> = new Set([
  'isolation',
  'readOnly',
  'deferrable',
  'retry',
  'timeoutMs',
  'signal',
])
const LEVELS: readonly IsolationLevel[] = ['read committed', 'repeatable read', 'serializable']

/** Checks the options of `transaction`. Throws `TypeError` or `RangeError` naming option and value. */
export function checkTransactionOptions(options: TransactionOptions): void {
  const where = 'transaction'
  refuseUnknownOptions(where, options, KNOWN)
  const { isolation, readOnly, deferrable, retry, timeoutMs, signal } = options
  if (isolation !== undefined) checkWord(where, 'isolation', isolation, LEVELS)
  if (readOnly !== undefined) checkBoolean(where, 'readOnly', readOnly)
  if (deferrable !== undefined) checkBoolean(where, 'deferrable', deferrable)
  if (timeoutMs !== undefined) checkTimeout(where, timeoutMs)
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new TypeError(`${where}: signal must be an AbortSignal, got ${describeValue(signal)}`)
  }
  if (retry !== undefined) {
    if (retry === null || typeof retry !== 'object') {
      throw new TypeError(
        `${where}: retry must be an object such as { attempts: 3 }, got ${describeValue(retry)}`,
      )
    }
    refuseUnknownOptions(`${where}: retry`, retry, new Set(['attempts']))
    checkNumber(where, 'retry.attempts', retry.attempts, { min: 1, max: 1_000, integer: true })
  }
}

/** The statement that begins a transaction with these options. */
export function beginStatement(options: TransactionOptions): string {
  let text = 'BEGIN'
  if (options.isolation !== undefined) text += ` ISOLATION LEVEL ${options.isolation.toUpperCase()}`
  if (options.readOnly !== undefined) text += options.readOnly ? ' READ ONLY' : ' READ WRITE'
  if (options.deferrable === true) text += ' DEFERRABLE'
  return text
}
