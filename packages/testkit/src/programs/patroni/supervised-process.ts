import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { signalProcess } from '../../machine/process-table.js'
import { serverEnvironment } from '../../machine/run-command.js'
import type { ServerUser } from '../../machine/server-user.js'
import { inNamespace } from './patroni-network.js'

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
  /** Name of the network namespace to run it in; undefined for that of this process. */
  readonly namespace?: string | undefined
}

const STOP_TIMEOUT_MS = 5_000
const POLL_MS = 10
const LOG_TAIL_LINES = 40

/** A child process that logs to a file and is known by its pid. */
export class SupervisedProcess {
  readonly #options: ProcessOptions
  readonly #child: ChildProcess
  #ended = false

  /** Starts it. */
  constructor(options: ProcessOptions) {
    this.#options = options
    const { home, name, env, user, namespace } = options
    const { file, args } =
      namespace === undefined ? options : inNamespace(namespace, user, options.file, options.args)
    const output = openSync(join(home, `${name}.log`), 'a')
    this.#child = spawn(file, [...args], {
      cwd: home,
      env: { ...serverEnvironment(), ...env },
      detached: true, // a Ctrl-C in the terminal is for the application
      stdio: ['ignore', output, output],
      // Only root may enter a namespace; it changes its user there.
      ...(namespace === undefined && user),
    })
    closeSync(output)
    this.#child.unref()
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

  /** Its process id; undefined if it could not be started. */
  get pid(): number | undefined {
    return this.#child.pid
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

  /** Asks it to end, and kills it if it has not within five seconds. */
  async stop(): Promise<void> {
    this.signal('SIGTERM')
    this.signal('SIGCONT')
    const deadline = performance.now() + STOP_TIMEOUT_MS
    while (!this.#ended && performance.now() < deadline) await sleep(POLL_MS)
    if (!this.#ended) await this.kill()
  }

  /** The last lines it logged. */
  async logTail(): Promise<string> {
    const { home, name } = this.#options
    const text = await readFile(join(home, `${name}.log`), 'utf8').catch(() => '')
    return text.trimEnd().split('\n').slice(-LOG_TAIL_LINES).join('\n')
  }
}
