import { ConfigError, isPoolhouseError } from '@poolhouse/core'
import { messageOf } from '@poolhouse/core/kit'

/** How a command ended: all is well; a finding or no answer; wrong usage or configuration. */
type ExitCode = 0 | 1 | 2

/** What a command has to say at its end. */
export interface Outcome {
  /** The exit code of the process. */
  readonly exitCode: ExitCode
  /** What `--json` prints, beside `ok`, `command` and `exitCode`. */
  readonly document: Readonly<Record<string, unknown>>
  /** What is printed otherwise. */
  readonly text: string
  /**
   * Whether the document is printed as it is, without `ok`, `command` and `exitCode`. Default: no.
   */
  readonly isBare?: boolean | undefined
}

/** The command was called wrongly, or what it needs is not there. Exit code 2. */
export class UsageError extends Error {
  /** The name of the class. */
  override readonly name: string = 'UsageError'
}

/** Runs `read`, and makes wrong values that it throws errors of usage. */
export function asUsage<R>(read: () => R): R {
  try {
    return read()
  } catch (error) {
    if (error instanceof TypeError || error instanceof RangeError) {
      throw new UsageError(error.message, { cause: error })
    }
    throw error
  }
}

/** The outcome of a command that threw. */
export function failureOf(error: unknown): Outcome {
  const isUsage = error instanceof UsageError || error instanceof ConfigError
  const name = error instanceof Error ? error.name : 'Error'
  const message = messageOf(error)
  const code = isPoolhouseError(error) ? { code: error.code } : {}
  return {
    exitCode: isUsage ? 2 : 1,
    document: { error: { name, ...code, message } },
    text: message,
  }
}
