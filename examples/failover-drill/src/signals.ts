import { constants } from 'node:os'

/** A wish to stop, from outside. */
export interface Stop {
  /** Fires at the first wish. */
  readonly signal: AbortSignal
  /**
   * The exit code that the shell expects after the signal: 130 after Ctrl-C. Undefined before a
   * signal.
   */
  readonly exitCode: number | undefined
}

/**
 * Package managers and loaders pass a Ctrl-C on that has reached us already; only a later one is a
 * second one.
 */
const ECHO_MS = 1_000

/**
 * Makes Ctrl-C and its relatives a request to clean up. The second one ends the process at once;
 * the servers and their data are then removed by the testkit's own watcher.
 */
export function catchSignals(notice: (text: string) => void): Stop {
  const controller = new AbortController()
  const stop = { signal: controller.signal, exitCode: undefined as number | undefined }
  let since = 0
  const request = (name: 'SIGINT' | 'SIGTERM' | 'SIGHUP' | 'SIGPIPE'): void => {
    const code = 128 + constants.signals[name]
    if (stop.exitCode !== undefined) {
      if (performance.now() - since > ECHO_MS) process.exit(code)
      return
    }
    since = performance.now()
    stop.exitCode = code
    controller.abort()
    if (name === 'SIGINT') notice('stopping the servers; press Ctrl-C again to leave at once')
  }
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => request(name))
  // `pnpm demo | head`, or a terminal that was closed: the output has no reader.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE' && error.code !== 'EIO') throw error
    if (stop.exitCode === undefined) request('SIGPIPE')
  })
  process.stderr.on('error', () => {})
  return stop
}
