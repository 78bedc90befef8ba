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
process.exitCode = 1
void runCli(process.argv.slice(2), processIo(ending.signal)).then((code) => {
  process.exitCode = code
})
