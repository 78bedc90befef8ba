import { tracing } from '../api/tracing.js'
import type { WorkHost } from '../statement/session-work.js'
import type { CallObserver } from '../watch/call-watcher.js'
import { CLOSED_BY_READER, type StreamingWork } from './streaming-work.js'

/**
 * Traces a stream or a copy. Called only while the channel has subscribers.
 */
export function traceWork(pool: string, work: StreamingWork): void {
  const ended = (): Promise<void> =>
    new Promise((resolve, reject) => {
      work.onOver(() => {
        const failure = failureOf(work)
        if (failure === undefined) resolve()
        else reject(failure)
      })
    })
  // The reader is told of a failure by the stream itself.
  tracing.query.tracePromise(ended, { pool, statement: work.text }).catch(() => {})
}

/** Tells an observer of a stream or a copy, from its first word to the server to its end. */
export function observeWork(
  observer: CallObserver,
  host: Pick<WorkHost, 'now'>,
  work: StreamingWork,
): void {
  const { text } = work
  const since = host.now()
  const begun = observer.began(text)
  work.onOver(() => observer.ended(begun, text, host.now() - since, failureOf(work), undefined))
}

function failureOf({ failure }: StreamingWork): unknown {
  return failure === CLOSED_BY_READER ? undefined : failure
}
