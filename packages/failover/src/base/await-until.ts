import type { Clock } from '@poolhouse/core'
import { unwatchSignal, watchSignal } from '@poolhouse/core/kit'

/**
 * Resolves as soon as `work` settles, `deadline` (client time) passes or the signal fires; never
 * rejects. Keeps the process alive, because a caller waits.
 */
export function awaitUntil(
  clock: Clock,
  deadline: number,
  signal: AbortSignal | undefined,
  work: Promise<unknown> | undefined,
): Promise<void> {
  const leftMs = deadline - clock.now()
  if (leftMs <= 0 || signal?.aborted) return Promise.resolve()
  return new Promise((resolve) => {
    const end = (): void => {
      timer.cancel()
      unwatchSignal(signal, end)
      resolve()
    }
    const timer = clock.setTimer(end, leftMs, { keepAlive: true })
    watchSignal(signal, end)
    work?.then(end, end)
  })
}
