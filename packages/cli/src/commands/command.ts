import type { CliIo } from '../io.js'
import type { Colors } from '../output/colors.js'

/** What every command gets beside its own options. */
export interface CommandContext {
  /** Its process. */
  readonly io: CliIo
  /** Whether one JSON document is printed at the end, and nothing else. */
  readonly json: boolean
  /** Longest time for each step that waits for a server, in milliseconds. */
  readonly timeoutMs: number
  /** Colours, or none. */
  readonly colors: Colors
  /** Ends the command. */
  readonly signal: AbortSignal
  /** Prints a text at once, without passwords; nothing with `--json`. */
  say(text: string): void
  /** Prints beside the answer what is wrong; nothing with `--json`. */
  warn(text: string): void
  /**
   * For a command that goes on: prints its text, or with `--json` its document, at once. Nothing is
   * printed at its end then.
   */
  publish(document: Readonly<Record<string, unknown>>, text: string): void
}
