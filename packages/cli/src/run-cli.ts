import { CommanderError } from 'commander'
import manifest from '../package.json' with { type: 'json' }
import type { CommandContext } from './commands/command.js'
import { type CliIo, processIo } from './io.js'
import { failureOf, type Outcome, UsageError } from './outcome.js'
import { colorsFor } from './output/colors.js'
import { redact } from './output/redact.js'
import { type CommonOptions, makeProgram } from './program.js'

const NEVER = new AbortController().signal

/**
 * Runs the command line and resolves with the exit code: 0 if all is well, 1 for a finding or no
 * answer, 2 for wrong usage or configuration, 130 after an abort. Never rejects. With `--json` it
 * writes exactly one JSON document to `stdout`, whatever the exit code. What it prints holds no
 * passwords.
 *
 * ```ts
 * const exitCode = await runCli(['doctor', '--config', 'poolhouse.config.json'])
 * ```
 */
export async function runCli(argv: readonly string[], io: CliIo = processIo()): Promise<number> {
  const words = argv.includes('--') ? argv.slice(0, argv.indexOf('--')) : argv
  const json = words.includes('--json')
  const { signal = NEVER } = io
  let command: string | undefined
  let outcome: Outcome | undefined
  let help = ''
  const program = makeProgram(manifest.version, async (name, work) => {
    command = name
    outcome = await work(contextOf(io, program.opts<CommonOptions>(), signal))
  })
  for (const one of [program, ...program.commands]) {
    one.exitOverride().configureOutput({
      writeOut: (text) => {
        help += text
      },
      // The message of the error says it.
      writeErr: () => {},
    })
  }
  command = words.find((word) => program.commands.some((one) => one.name() === word))
  let isFailure = false
  try {
    await program.parseAsync([...argv], { from: 'user' })
  } catch (error) {
    const isHelp = error instanceof CommanderError && error.exitCode === 0
    isFailure = !isHelp
    outcome = isHelp
      ? { exitCode: 0, document: { help }, text: help.trimEnd() }
      : failureOf(usageOf(error, program.helpInformation()))
  }
  if (isFailure && signal.aborted) return 130
  // Every command ends with an outcome or throws.
  const { exitCode, document, text, isBare } = outcome!
  if (json) {
    const whole = isBare ? document : { ok: exitCode === 0, command, exitCode, ...document }
    io.stdout.write(`${JSON.stringify(whole, (_key, value) => withoutSecrets(value), 2)}\n`)
  } else if (isFailure) io.stderr.write(`poolhouse: ${redact(text)}\n`)
  else if (text !== '') io.stdout.write(`${redact(text)}\n`)
  return exitCode
}

function contextOf(
  io: CliIo,
  { json = false, color, timeout }: CommonOptions,
  signal: AbortSignal,
): CommandContext {
  return {
    io,
    json,
    signal,
    timeoutMs: timeout,
    colors: colorsFor(io, color && !json),
    say: (text) => {
      if (!json) io.stdout.write(redact(text))
    },
  }
}

function usageOf(error: unknown, help: string): unknown {
  if (!(error instanceof CommanderError)) return error
  // Called without a command.
  if (error.code === 'commander.help') return new UsageError(`which command?\n\n${help.trimEnd()}`)
  return new UsageError(error.message.replace(/^error: /, ''))
}

function withoutSecrets(value: unknown): unknown {
  if (typeof value === 'bigint') return String(value)
  return typeof value === 'string' ? redact(value) : value
}
