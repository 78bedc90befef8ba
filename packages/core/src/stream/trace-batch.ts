import type { Statement } from '../api/statement.js'
import { tracing } from '../api/tracing.js'
import type { BatchListener, Outcome } from '../statement/batch-run.js'
import type { WorkHost } from '../statement/session-work.js'
import type { CallObserver } from '../watch/call-watcher.js'

type Settle = (outcome: Outcome) => void

/**
 * Traces each statement of a batch, from the call to its answer, and tells the observer, if there
 * is one. Returns the listener that the batch must have instead.
 */
export function traceBatch(
  host: Pick<WorkHost, 'name' | 'now'>,
  statements: readonly Statement[],
  listener: BatchListener,
  observer: CallObserver | undefined,
): BatchListener {
  const traces = statements.map(({ text }) => {
    const settles: Settle[] = []
    if (tracing.query.hasSubscribers) settles.push(traced(host.name, text))
    if (observer !== undefined) settles.push(observed(host, text, observer))
    return settles
  })
  return {
    ...listener,
    rejected: (reason) => {
      for (const settle of traces.flat()) settle({ status: 'rejected', reason })
    },
    observe: (index, outcome) => {
      for (const settle of traces[index]!) settle(outcome)
    },
  }
}

function traced(pool: string, statement: string): Settle {
  let settle!: Settle
  const answered = (): Promise<unknown> =>
    new Promise((resolve, reject) => {
      settle = (outcome) => {
        if (outcome.status === 'fulfilled') resolve(outcome.value)
        else reject(outcome.reason)
      }
    })
  // The caller is told of a failure by the outcome.
  tracing.query.tracePromise(answered, { pool, statement }).catch(() => {})
  return settle
}

function observed(host: Pick<WorkHost, 'now'>, text: string, observer: CallObserver): Settle {
  const since = host.now()
  const begun = observer.began(text)
  return (outcome) => {
    const tookMs = host.now() - since
    if (outcome.status === 'fulfilled') {
      observer.ended(begun, text, tookMs, undefined, outcome.value)
    } else observer.ended(begun, text, tookMs, outcome.reason, undefined)
  }
}
