import { sleep, systemClock } from '@poolhouse/core/kit'
import type { ShutdownOptions } from './manager.js'

/**
 * Options of `shutdownOnSignals`.
 *
 * @example
 * shutdownOnSignals(manager, {
 *   signals: ['SIGTERM', 'SIGINT'],
 *   delayMs: 5_000,
 *   graceMs: 15_000,
 *   before: () => app.close(),
 *   exit: false,
 * })
 */
export interface SignalOptions extends ShutdownOptions {
  /** The signals to listen for. Default: SIGTERM. */
  signals?: readonly NodeJS.Signals[] | undefined
  /**
   * Called when readiness has failed for `delayMs`, and before the databases are shut down: closes
   * the sources of new work, such as the HTTP server that readiness is asked of. Default: nothing.
   */
  before?: (() => unknown) | undefined
  /** Whether the process exits at the end: with code 0, or 1 if something failed. Default true. */
  exit?: boolean | undefined
}

/** What `shutdownOnSignals` shuts down: a manager. */
export interface Shuttable {
  /**
   * As `manager.shutdown()`.
   *
   * @example
   * await manager.shutdown({ graceMs: 10_000 })
   */
  shutdown(options?: ShutdownOptions): Promise<void>
  /**
   * As `manager.leaving()`.
   *
   * @example
   * manager.leaving()
   */
  leaving(): void
}

/**
 * Shuts down when the process gets a signal: readiness fails, and calls are still accepted for
 * `delayMs`, so that load balancers can react; then `before` stops the sources of new work (such as
 * the HTTP server), then work under way finishes within `graceMs`. `delayMs` and `graceMs` together
 * must fit into the 30 s that Kubernetes allows. Returns a function that removes the listeners.
 *
 * @example
 * shutdownOnSignals(manager, { delayMs: 5_000, graceMs: 15_000, before: () => app.close() })
 */
export function shutdownOnSignals(manager: Shuttable, options: SignalOptions = {}): () => void {
  const { signals = ['SIGTERM'], before, exit = true, delayMs = 0, ...shutdown } = options
  let begun = false
  const onSignal = (): void => {
    if (begun) return
    begun = true
    void end()
  }
  const end = async (): Promise<void> => {
    manager.leaving()
    if (delayMs > 0) await sleep(systemClock, delayMs)
    const ends: PromiseSettledResult<unknown>[] = []
    ends.push(...(await Promise.allSettled([(async () => before?.())()])))
    ends.push(...(await Promise.allSettled([manager.shutdown(shutdown)])))
    for (const each of ends) {
      if (each.status === 'rejected') process.emitWarning(each.reason as Error)
    }
    if (exit) process.exit(ends.some(({ status }) => status === 'rejected') ? 1 : 0)
  }
  for (const signal of signals) process.on(signal, onSignal)
  return () => {
    for (const signal of signals) process.off(signal, onSignal)
  }
}
