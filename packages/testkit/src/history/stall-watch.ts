/** A moment at which the process itself was late. */
export interface Stall {
  /** When it was over, as `performance.now()`. */
  readonly endedAt: number
  /** How late, in milliseconds. */
  readonly ms: number
}

const TICK_MS = 25

/**
 * Notes how late the timers of this process are, until it is stopped: on a machine that is busy
 * with something else nothing settles in time, and that says nothing about who was asked.
 */
export function watchStalls(into: Stall[]): () => void {
  let dueAt = performance.now() + TICK_MS
  const ticker = setInterval(() => {
    const now = performance.now()
    if (now - dueAt > 1) into.push({ endedAt: now, ms: now - dueAt })
    dueAt = now + TICK_MS
  }, TICK_MS)
  ticker.unref()
  return () => clearInterval(ticker)
}
