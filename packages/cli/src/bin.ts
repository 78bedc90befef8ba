#!/usr/bin/env node
import { processIo } from './io.js'
import { runCli } from './run-cli.js'

const ending = new AbortController()
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  // The second one ends the process as it would without us.
  process.once(name, () => ending.abort(new Error(`ended by ${name}`)))
}
for (const stream of [process.stdout, process.stderr]) {
  // `poolhouse top | head`: no reader is left.
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
    ending.abort(error)
  })
}
// A run that is cut off has not gone well.
let exitCode = 1
process.on('exit', () => {
  process.exitCode = exitCode
})
void runCli(process.argv.slice(2), processIo(ending.signal)).then(async (code) => {
  exitCode = code
  // What a configuration file has started must not keep the process alive.
  for (const stream of [process.stdout, process.stderr]) {
    await new Promise<void>((resolve) => stream.write('', () => resolve()))
  }
  process.exit()
})
