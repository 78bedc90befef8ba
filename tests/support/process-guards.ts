import { afterEach, beforeEach, expect } from 'vitest'

// What a missing `error` listener, a forgotten promise or a heap of listeners look like from
// outside (F56).
const SUSPICIOUS: ReadonlySet<string> = new Set([
  'Warning',
  'MaxListenersExceededWarning',
  'PromiseRejectionHandledWarning',
  'UnhandledPromiseRejectionWarning',
])

/**
 * Fails every test of the file during which the process saw an uncaught exception, an unhandled
 * rejection or a warning that stands for one. To be called once, at the top of each file.
 */
export function guardProcess(): void {
  const seen: unknown[] = []
  const note = (error: unknown): void => {
    seen.push(error)
  }
  const noteWarning = (warning: Error): void => {
    if (SUSPICIOUS.has(warning.name)) seen.push(warning)
  }
  beforeEach(() => {
    seen.length = 0
    process.on('uncaughtExceptionMonitor', note)
    process.on('unhandledRejection', note)
    process.on('warning', noteWarning)
  })
  afterEach(async () => {
    // A rejection counts as unhandled once the microtasks are through.
    await new Promise((resolve) => setImmediate(resolve))
    process.off('uncaughtExceptionMonitor', note)
    process.off('unhandledRejection', note)
    process.off('warning', noteWarning)
    expect(seen).toEqual([])
  })
}
