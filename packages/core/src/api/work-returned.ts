import type { Transaction } from './transaction.js'

/**
 * Says to a transaction of ours that the caller's work has returned, where something is sent after
 * it. Throws `TransactionError` if a savepoint that the work had begun is still open: a statement
 * would wait for it, and perhaps for ever.
 */
export function workReturned(tx: Transaction): void {
  ;(tx as { workReturned?: () => void }).workReturned?.()
}
