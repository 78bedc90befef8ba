import type { ChildProcess } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { listServerProcesses, signalProcess } from '../machine/process-table.js'
import type { ServerUser } from '../machine/server-user.js'
import { spawnLogged } from '../machine/spawn-logged.js'

/** What to run, and where. */
export interface ProcessOptions {
  /** The program. */
  readonly file: string
  /** Its arguments. */
  readonly args: readonly string[]
  /**
   * Its home and working directory: that is how the reaper finds it. The log `<name>.log` goes
   * there.
   */
  readonly home: string
  /** Name of its log. */
  readonly name: string
  /** Variables on top of the usual ones. */
  readonly env: Readonly<Record<string, string>>
  /** User to run as. */
  readonly user: ServerUser | undefined
}

const STOP_TIMEOUT_MS = 2_000
const POLL_MS = 10
const LOG_TAIL_LINES = 40

/** A child process that logs to a file and is known by its pid. */
export class SupervisedProcess {
  /** Path of its log. */
  readonly log: string
  readonly #home: string
  readonly #child: ChildProcess
  #ended = false

  /** Starts it. */
  constructor({ file, args, home, name, env, user }: ProcessOptions) {
    this.log = join(home, `${name}.log`)
    this.#home = home
    this.#child = spawnLogged(file, args, { cwd: home, log: this.log, user, env })
    const ended = (): void => {
      this.#ended = true
    }
    this.#child.on('exit', ended)
    this.#child.on('error', ended)
  }

  /** Whether it is over. */
  get ended(): boolean {
    return this.#ended
  }

  /** Sends it a signal, if it is there. */
  signal(signal: NodeJS.Signals): void {
    const { pid } = this.#child
    if (pid !== undefined && !this.#ended) signalProcess(pid, signal)
  }

  /** Kills it and waits until it is gone. */
  async kill(): Promise<void> {
    this.signal('SIGKILL')
    while (!this.#ended) await sleep(POLL_MS)
  }

  /**
   * Asks it to end, and kills it if it has not within two seconds: PgBouncer goes at once up to
   * 1.22, and from 1.23 on waits for its clients.
   */
  async stop(): Promise<void> {
    this.signal('SIGTERM')
    this.signal('SIGCONT')
    const deadline = performance.now() + STOP_TIMEOUT_MS
    while (!this.#ended && performance.now() < deadline) await sleep(POLL_MS)
    if (!this.#ended) await this.kill()
  }

  /**
   * As `stop`, with its children: those of Pgpool-II that wait for a server that does not answer
   * outlive it.
   */
  async stopAll(): Promise<void> {
    await this.stop()
    const { pid } = this.#child
    if (pid === undefined) return
    for (;;) {
      const left = listServerProcesses(this.#home, pid)
      if (left.length === 0) return
      for (const one of left) signalProcess(one, 'SIGKILL')
      await sleep(POLL_MS)
    }
  }

  /** The last lines it logged. */
  async logTail(): Promise<string> {
    const text = await readFile(this.log, 'utf8').catch(() => '')
    return text.trimEnd().split('\n').slice(-LOG_TAIL_LINES).join('\n')
  }
}
