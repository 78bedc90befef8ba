import { tracing } from '../api/tracing.js'
import { CLOSED_BY_READER, type StreamingWork } from './streaming-work.js'

/**
 * Traces a stream or a copy. Called only while the channel has subscribers.
 */
export function traceWork(pool: string, work: StreamingWork): void {
  const ended = (): Promise<void> =>
    new Promise((resolve, reject) => {
      work.onOver(() => {
        const { failure } = work
        if (failure === undefined || failure === CLOSED_BY_READER) resolve()
        else reject(failure)
      })
    })
  // The reader is told of a failure by the stream itself.
  tracing.query.tracePromise(ended, { pool, statement: work.text }).catch(() => {})
}
