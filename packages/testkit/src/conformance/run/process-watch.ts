import { turns } from './waiting.js'

type Handler = (...args: unknown[]) => void

/** Notes errors that were not caught. */
export interface ProcessWatch {
  /**
   * Puts the former listeners back and gives what was seen: uncaught exceptions, unhandled
   * rejections, heaps of listeners.
   */
  stop(): Promise<string[]>
}

const EVENTS = ['uncaughtException', 'unhandledRejection'] as const

/**
 * Takes away the process's listeners for uncaught errors until `stop`: the case that caused it
 * is to fail, and not the whole run or the process.
 */
export function watchProcess(): ProcessWatch {
  const seen: string[] = []
  const former = EVENTS.map((event) => process.listeners(event as 'beforeExit') as Handler[])
  const own = EVENTS.map(
    (event): Handler =>
      (error) => {
        seen.push(
          `${event}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
        )
      },
  )
  const onWarning = (warning: Error): void => {
    if (warning.name === 'MaxListenersExceededWarning') seen.push(warning.message)
  }
  for (const [index, event] of EVENTS.entries()) {
    process.removeAllListeners(event)
    process.on(event, own[index]!)
  }
  process.on('warning', onWarning)
  return {
    async stop() {
      // A rejection counts as unhandled once the microtasks are through.
      await turns(2)
      for (const [index, event] of EVENTS.entries()) {
        process.removeListener(event, own[index]!)
        for (const listener of former[index]!) process.on(event, listener)
      }
      process.removeListener('warning', onWarning)
      return seen
    },
  }
}
