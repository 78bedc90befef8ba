#!/usr/bin/env node
import { messageOf } from '@poolhouse/core/kit'
import { type CliIo, processIo } from './io.js'
import { redact } from './output/redact.js'
import { runCli } from './run-cli.js'

const { stdout, stderr } = process
const ending = new AbortController()
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  // The second one ends the process as it would without us.
  process.once(name, () => ending.abort(new Error(`ended by ${name}`)))
}

// Stdout is for the answer alone: what a configuration file prints goes to stderr.
const write = stdout.write.bind(stdout)
let hasAnswered = false
stdout.write = stderr.write.bind(stderr) as typeof stdout.write
const io: CliIo = {
  ...processIo(ending.signal),
  stdout: {
    write: (text) => {
      hasAnswered = true
      return write(text)
    },
    get isTTY() {
      return stdout.isTTY
    },
    get columns() {
      return stdout.columns
    },
    get rows() {
      return stdout.rows
    },
  },
}

// Why the answer could not be written, and whether the command was at work still.
let unwritten: { readonly error: NodeJS.ErrnoException; readonly wasRunning: boolean } | undefined
let isRunning = true
stdout.on('error', (error) => {
  unwritten ??= { error, wasRunning: isRunning }
  ending.abort(error)
})
// There is no place left to say so.
stderr.on('error', () => {})

// What a configuration file throws later may hold a password, and so does its stack.
let uncaught: string | undefined
process.on('uncaughtException', (error) => {
  uncaught = redact(messageOf(error))
  exitCode = 1
  process.exit()
})

// A run that is cut off has not gone well.
let exitCode = 1
process.on('exit', () => {
  process.exitCode = exitCode
  if (!isRunning || hasAnswered) {
    if (uncaught !== undefined) stderr.write(`poolhouse: ${uncaught}\n`)
    return
  }
  const message =
    uncaught === undefined
      ? 'the process has ended before there was an answer: the configuration file ends it, or waits for what never comes'
      : `an error that nothing has caught has ended the process: ${uncaught}`
  if (process.argv.includes('--json')) {
    const error = { name: 'Error', message }
    write(`${JSON.stringify({ ok: false, exitCode, error }, null, 2)}\n`)
  } else stderr.write(`poolhouse: ${message}\n`)
})
void runCli(process.argv.slice(2), io).then(async (code) => {
  exitCode = code
  isRunning = false
  await new Promise<void>((resolve) => write('', () => resolve()))
  if (unwritten !== undefined) {
    const { error, wasRunning } = unwritten
    const isClosed = error.code === 'EPIPE'
    // `poolhouse top | head`: its reader has ended it, as Ctrl-C would.
    if (!isClosed || !wasRunning || code !== 0) {
      exitCode = 1
      const why = isClosed ? 'the reader of stdout has gone (EPIPE)' : messageOf(error)
      stderr.write(`poolhouse: the answer could not be written: ${why}\n`)
    }
  }
  await new Promise<void>((resolve) => stderr.write('', () => resolve()))
  // What a configuration file has started must not keep the process alive.
  process.exit()
})
