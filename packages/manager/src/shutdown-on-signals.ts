import type { ShutdownOptions } from './manager.js'

/** Options of `shutdownOnSignals`. */
export interface SignalOptions extends ShutdownOptions {
  /** Which signals. Default SIGTERM. */
  signals?: readonly NodeJS.Signals[] | undefined
  /**
   * Called before the databases are shut down, with readiness failing already: stop the HTTP server
   * here.
   */
  before?: (() => unknown) | undefined
  /**
   * Whether the process exits when all is closed, with code 0, or 1 if something failed. Default
   * true.
   */
  exit?: boolean | undefined
}

/** What can be shut down. */
export interface Shuttable {
  /** As `manager.shutdown()`. */
  shutdown(options?: ShutdownOptions): Promise<void>
  /** As `manager.leaving()`: readiness fails from now on. */
  leaving(): void
}

/**
 * Shuts down in order when the process is told to end: readiness fails, `before` stops what brings
 * new work, work under way ends within `graceMs`. Choose `delayMs` and `graceMs` to fit the 30 s of
 * Kubernetes together. Returns the function that takes it back.
 */
export function shutdownOnSignals(manager: Shuttable, options: SignalOptions = {}): () => void {
  const { signals = ['SIGTERM'], before, exit = true, ...shutdown } = options
  let begun = false
  const onSignal = (): void => {
    if (begun) return
    begun = true
    void end()
  }
  const end = async (): Promise<void> => {
    manager.leaving()
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
