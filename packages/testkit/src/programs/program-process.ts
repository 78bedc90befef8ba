import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { signalProcess } from '../machine/process-table.js'
import { serverEnvironment } from '../machine/run-command.js'
import type { ServerUser } from '../machine/server-user.js'
import type { DebianProgram } from './debian/debian-package.js'

const START_TIMEOUT_MS = 20_000
const STOP_TIMEOUT_MS = 2_000
const POLL_MS = 5
const LOG_TAIL_LINES = 30

/** How a program is run. */
export interface ProgramStart {
  /** What it is called in messages. */
  readonly name: string
  readonly program: DebianProgram
  readonly arguments: readonly string[]
  /** Its working directory, where its log goes. */
  readonly home: string
  readonly user: ServerUser | undefined
  /** Whether it takes clients, seeing what it has logged so far. */
  readonly isReady: (log: string) => boolean | Promise<boolean>
}

/** One running program, whose working directory is its home: that is how the reaper finds it. */
export class ProgramProcess {
  readonly #home: string
  readonly #child: ChildProcess
  #ended = false

  private constructor(home: string, child: ChildProcess) {
    this.#home = home
    this.#child = child
    const ended = (): void => {
      this.#ended = true
    }
    child.on('exit', ended)
    child.on('error', ended)
  }

  /** Runs the program; resolves when it is ready. Throws with the end of its log. */
  static async start(options: ProgramStart): Promise<ProgramProcess> {
    const { program, home, user } = options
    const output = openSync(join(home, 'log'), 'w')
    const child = spawn(program.binary, options.arguments, {
      cwd: home,
      env: { ...serverEnvironment(), ...program.env },
      detached: true, // a Ctrl-C in the terminal is for the application
      stdio: ['ignore', output, output],
      ...user,
    })
    closeSync(output)
    child.unref()
    const started = new ProgramProcess(home, child)
    await started.#untilReady(options)
    return started
  }

  /** Ends it: it is asked to, and killed if it has not within two seconds. Idempotent. */
  async stop(): Promise<void> {
    const { pid } = this.#child
    if (pid === undefined) return
    // PgBouncer goes at once up to 1.22; from 1.23 on it waits for its clients.
    if (!this.#ended) signalProcess(pid, 'SIGTERM')
    const deadline = performance.now() + STOP_TIMEOUT_MS
    while (!this.#ended && performance.now() < deadline) await sleep(POLL_MS)
    if (!this.#ended) signalProcess(pid, 'SIGKILL')
    while (!this.#ended) await sleep(POLL_MS)
  }

  /** The last lines it logged. */
  async logTail(): Promise<string> {
    const lines = (await this.#log()).trimEnd().split('\n')
    return lines.slice(-LOG_TAIL_LINES).join('\n')
  }

  async #untilReady({ name, isReady }: ProgramStart): Promise<void> {
    const deadline = performance.now() + START_TIMEOUT_MS
    while (!(await isReady(await this.#log()))) {
      if (this.#ended || performance.now() > deadline) {
        await this.stop()
        throw new Error(`${name} did not start; end of its log:\n${await this.logTail()}`)
      }
      await sleep(POLL_MS)
    }
  }

  async #log(): Promise<string> {
    return await readFile(join(this.#home, 'log'), 'utf8')
  }
}
