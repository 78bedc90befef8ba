import type { CliIo } from '../io.js'
import type { Outcome } from '../outcome.js'
import { redact } from './redact.js'

/** Exit code of a run that a signal has ended before its answer: as the shell counts a Ctrl-C. */
export const ENDED = 130

/**
 * Owns what a run prints at its end, without passwords: with `--json` one document, and only one.
 */
export class Answer {
  /** Name of the command, once it is known. */
  command: string | undefined
  /** What the run came to. */
  exitCode = 0
  readonly #io: CliIo
  readonly #json: boolean
  #published = false

  /** Nothing is printed yet. */
  constructor(io: CliIo, json: boolean) {
    this.#io = io
    this.#json = json
  }

  /** Prints the outcome of a command that has come to its end. */
  end({ exitCode, document, text, isBare }: Outcome): void {
    this.exitCode = exitCode
    if (this.#published) return
    if (this.#json) this.#print(isBare ? document : this.#whole(document))
    else if (text !== '') this.#io.stdout.write(`${redact(text)}\n`)
  }

  /** Prints why a command has failed; that a person has ended it needs no words. */
  fail({ document, text }: Outcome, exitCode: number): void {
    this.exitCode = exitCode
    if (this.#json && !this.#published) this.#print(this.#whole(document))
    else if (exitCode !== ENDED) this.#io.stderr.write(`poolhouse: ${redact(text)}\n`)
  }

  /** Prints what a command that goes on has to say. */
  publish(document: Readonly<Record<string, unknown>>, text: string): void {
    if (this.#json) this.#print(this.#whole(document))
    else this.#io.stdout.write(redact(text))
    this.#published = true
  }

  #whole(document: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
    const { command, exitCode } = this
    return { ok: exitCode === 0, command, exitCode, ...document }
  }

  #print(document: unknown): void {
    this.#io.stdout.write(`${JSON.stringify(document, withoutSecrets, 2)}\n`)
  }
}

function withoutSecrets(_key: string, value: unknown): unknown {
  return typeof value === 'string' ? redact(value) : value
}
