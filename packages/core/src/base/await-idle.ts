import { type Clock, sleep } from './clock.js'

// A look costs microseconds, and what it ends may be the wait of a thousand calls.
const LOOK_MS = 5

/**
 * Resolves when nothing is under way any more, as `underWay` counts it: `idle`, or before that when
 * `deadline` (client time) has passed, the signal has fired or `goOn` says no. Never rejects. Keeps
 * the process alive, because a caller waits.
 */
export async function awaitIdle(
  clock: Clock,
  underWay: () => number,
  deadline: number,
  signal?: AbortSignal,
  goOn: () => boolean = () => true,
): Promise<'idle' | 'late' | 'ended'> {
  while (goOn() && signal?.aborted !== true) {
    if (underWay() === 0) return 'idle'
    const now = clock.now()
    if (now >= deadline) return 'late'
    await sleep(clock, Math.min(deadline - now, LOOK_MS), signal)
  }
  return 'ended'
}
