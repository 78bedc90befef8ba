import { succeeds } from '../../machine/is-there.js'
import type { ConformanceCase, ScheduledCase } from './conformance-case.js'
import { watchProcess } from './process-watch.js'
import { within, withPatience } from './waiting.js'

/** What a case works with, and what is checked after every case. */
export interface CaseContext {
  /**
   * Ends everything the case began. Rejects if something did not settle, settled twice or was left
   * open.
   */
  end(): Promise<void>
}

const DEFAULT_TIMEOUT_MS = 15_000

/** Longest time for a case and for what is checked after it, in milliseconds. */
export function limitOf(test: ConformanceCase<never>, latencyMs: number): number {
  // One round trip more or less is nothing to a case; a hundred are.
  return (test.timeoutMs ?? DEFAULT_TIMEOUT_MS) + latencyMs * 1_000
}

/**
 * Runs one case in a context of its own. Rejects with what is wrong; with an `AggregateError` if
 * that is several things: the case itself, what it left behind, what was not caught. `patience`
 * stretches what the case waits for, but not `limitMs`.
 */
export async function runCase<Context extends CaseContext>(
  test: ConformanceCase<Context>,
  makeContext: () => Promise<Context>,
  limitMs: number,
  patience = 1,
): Promise<void> {
  const watch = watchProcess()
  const wrong: Error[] = []
  const note = (error: unknown): void => {
    wrong.push(error instanceof Error ? error : new Error(String(error)))
  }
  try {
    const context = await makeContext()
    const run = withPatience(patience, async () => {
      // Behind the timer of its limit, which a case that counts timers must find there already.
      await undefined
      await test.run(context)
    })
    await within(run, limitMs, 'the case').catch(note)
    const end = withPatience(patience, () => context.end())
    await within(end, limitMs, 'cleaning up after the case').catch(note)
  } catch (error) {
    note(error)
  }
  for (const uncaught of await watch.stop()) note(`not caught: ${uncaught}`)
  if (wrong.length === 1) throw wrong[0]
  if (wrong.length > 1)
    throw new AggregateError(wrong, wrong.map(({ message }) => message).join('\n'))
}

/** Runs a case as planned: one that is documented to fail must fail. */
export async function runScheduled<Context>(
  { differs, title }: ScheduledCase<Context>,
  run: () => Promise<void>,
): Promise<void> {
  if (differs === undefined) {
    await run()
    return
  }
  if (await succeeds(run())) {
    throw new Error(
      `"${title}" is in skip (${differs}), but it passes: the difference is gone, take it out of skip`,
    )
  }
}
