import type { Statement } from '../api/statement.js'
import { tracing } from '../api/tracing.js'
import type { BatchListener, Outcome } from '../statement/batch-run.js'

/**
 * Traces each statement of a batch, from the call to its answer. Called only while the channel has
 * subscribers. Returns the listener that the batch must have instead.
 */
export function traceBatch(
  pool: string,
  statements: readonly Statement[],
  listener: BatchListener,
): BatchListener {
  const traces = statements.map(({ text }) => new BatchTrace(pool, text))
  return {
    ...listener,
    rejected: (reason) => {
      for (const trace of traces) trace.settle({ status: 'rejected', reason })
    },
    observe: (index, outcome) => traces[index]!.settle(outcome),
  }
}

class BatchTrace {
  #resolve: ((result: unknown) => void) | undefined
  #reject: ((error: unknown) => void) | undefined

  constructor(pool: string, statement: string) {
    const answered = (): Promise<unknown> =>
      new Promise((resolve, reject) => {
        this.#resolve = resolve
        this.#reject = reject
      })
    // The caller is told of a failure by the outcome.
    tracing.query.tracePromise(answered, { pool, statement }).catch(() => {})
  }

  settle(outcome: Outcome): void {
    if (outcome.status === 'fulfilled') this.#resolve?.(outcome.value)
    else this.#reject?.(outcome.reason)
  }
}
