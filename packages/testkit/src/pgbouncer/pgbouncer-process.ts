import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { signalProcess } from '../cluster/process-table.js'
import { serverEnvironment } from '../cluster/run-command.js'
import type { ServerUser } from '../cluster/server-user.js'
import type { DebianProgram } from '../debian/debian-package.js'

const START_TIMEOUT_MS = 20_000
const STOP_TIMEOUT_MS = 2_000
const POLL_MS = 5
const LOG_TAIL_LINES = 30

/** One running `pgbouncer`, whose working directory is its home: that is how the reaper finds it. */
export class PgBouncerProcess {
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

  /** Runs the program on `pgbouncer.ini` in `home`; resolves when it takes clients. Throws with the end of its log. */
  static async start(
    program: DebianProgram,
    home: string,
    user: ServerUser | undefined,
  ): Promise<PgBouncerProcess> {
    const output = openSync(join(home, 'log'), 'w')
    const child = spawn(program.binary, ['pgbouncer.ini'], {
      cwd: home,
      env: { ...serverEnvironment(), ...program.env },
      detached: true, // a Ctrl-C in the terminal is for the application
      stdio: ['ignore', output, output],
      ...user,
    })
    closeSync(output)
    child.unref()
    const started = new PgBouncerProcess(home, child)
    await started.#untilReady()
    return started
  }

  /** Ends it: it is asked to, and killed if it has not within two seconds. Idempotent. */
  async stop(): Promise<void> {
    const { pid } = this.#child
    if (pid === undefined) return
    // At once up to 1.22; from 1.23 on it waits for its clients.
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

  async #untilReady(): Promise<void> {
    const deadline = performance.now() + START_TIMEOUT_MS
    while (!(await this.#log()).includes('process up:')) {
      if (this.#ended || performance.now() > deadline) {
        await this.stop()
        throw new Error(`pgbouncer did not start; end of its log:\n${await this.logTail()}`)
      }
      await sleep(POLL_MS)
    }
  }

  async #log(): Promise<string> {
    return await readFile(join(this.#home, 'log'), 'utf8')
  }
}
