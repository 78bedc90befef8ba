import { isConnectionText } from '@poolhouse/core/kit'
import { CommanderError } from 'commander'
import manifest from '../package.json' with { type: 'json' }
import type { CommandContext } from './commands/command.js'
import { type CliIo, processIo } from './io.js'
import { failureOf, UsageError } from './outcome.js'
import { Answer, ENDED } from './output/answer.js'
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
 * @example
 * const exitCode = await runCli(['doctor', '--config', 'poolhouse.config.json'])
 */
export async function runCli(argv: readonly string[], io: CliIo = processIo()): Promise<number> {
  const words = argv.includes('--') ? argv.slice(0, argv.indexOf('--')) : argv
  const answer = new Answer(io, words.includes('--json'))
  const { signal = NEVER } = io
  let help = ''
  const program = makeProgram(manifest.version, async (work) => {
    answer.end(await work(contextOf(io, program.opts<CommonOptions>(), signal, answer)))
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
  answer.command = words.find((word) => program.commands.some((one) => one.name() === word))
  try {
    await program.parseAsync([...argv], { from: 'user' })
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) {
      answer.end({ exitCode: 0, document: { help }, text: help.trimEnd() })
    } else {
      const failure = failureOf(usageOf(error, words, program.helpInformation()))
      answer.fail(failure, signal.aborted ? ENDED : failure.exitCode)
    }
  }
  return answer.exitCode
}

function contextOf(
  io: CliIo,
  { json = false, color, timeout }: CommonOptions,
  signal: AbortSignal,
  answer: Answer,
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
    warn: (text) => {
      if (!json) io.stderr.write(`poolhouse: ${redact(text)}\n`)
    },
    publish: (document, text) => answer.publish(document, text),
  }
}

function usageOf(error: unknown, words: readonly string[], help: string): unknown {
  if (!(error instanceof CommanderError)) return error
  if (error.code === 'commander.help') {
    const [first, name] = words
    if (first === 'help' && name !== undefined) return new UsageError(`unknown command '${name}'`)
    return new UsageError(`which command?\n\n${help.trimEnd()}`)
  }
  if (error.code === 'commander.unknownCommand' && words.some(isConnectionText)) {
    return new UsageError('which command? As in: poolhouse doctor URL')
  }
  return new UsageError(error.message.replace(/^error: /, ''))
}
