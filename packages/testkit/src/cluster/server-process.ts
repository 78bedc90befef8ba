import type { ChildProcess } from 'node:child_process'
import { readdir, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { listServerProcesses, signalProcess } from '../machine/process-table.js'
import { tryCommand } from '../machine/run-command.js'
import type { ServerUser } from '../machine/server-user.js'
import { spawnLogged } from '../machine/spawn-logged.js'
import type { Binaries } from './binaries.js'

/** How a server is asked to stop: what `pg_ctl stop -m` calls the mode. */
export type StopMode = 'smart' | 'fast' | 'immediate'

/** Where one server lives and what it runs on. */
export interface ServerPlace {
  /** Name for messages. */
  readonly name: string
  /** The installation to run. */
  readonly binaries: Binaries
  /** User to run as; `undefined` is our own. */
  readonly user: ServerUser | undefined
  /** Directory that holds the data directory, the log and the Unix socket. */
  readonly home: string
}

const STOP_SIGNALS: Record<StopMode, NodeJS.Signals> = {
  smart: 'SIGTERM',
  fast: 'SIGINT',
  immediate: 'SIGQUIT',
}

const START_TIMEOUT_MS = 60_000
const STOP_TIMEOUT_MS = 60_000
const POLL_MS = 5
const LOG_TAIL_LINES = 30

/** One postmaster and its children: starting, stopping, killing and freezing them. */
export class ServerProcess {
  readonly #place: ServerPlace
  /** The postmaster; undefined before the first start and after its end. */
  #child: ChildProcess | undefined
  #frozen = false
  /** Where this start's part of the log begins, in bytes. */
  #logStart = 0

  constructor(place: ServerPlace) {
    this.#place = place
  }

  /** Path of the data directory: the working directory of all the server's processes. */
  get dataDirectory(): string {
    return join(this.#place.home, 'data')
  }

  /** Whether the postmaster is alive, frozen or not. */
  get running(): boolean {
    return this.#child !== undefined
  }

  /** Whether `freeze` has stopped the server and `thaw` has not continued it. */
  get frozen(): boolean {
    return this.#frozen
  }

  /** Starts the postmaster and waits until it accepts connections. Throws with the log's end. */
  async start(): Promise<void> {
    if (this.#child) throw new Error(`node ${this.#place.name} is running already`)
    const log = join(this.#place.home, 'log')
    this.#logStart = await stat(log).then(
      ({ size }) => size,
      () => 0,
    )
    const { binaries, user } = this.#place
    const options = { cwd: this.dataDirectory, log, user }
    const child = spawnLogged(binaries.postgres, ['-D', this.dataDirectory], options)
    this.#child = child
    this.#frozen = false
    const ended = (): void => {
      if (this.#child === child) this.#child = undefined
    }
    child.on('exit', ended)
    child.on('error', ended)
    await this.#untilReady(child)
  }

  /** Asks the server to stop and waits until it has. A frozen server is thawed to obey. */
  async stop(mode: StopMode): Promise<void> {
    const child = this.#child
    if (child?.pid === undefined) return
    signalProcess(child.pid, STOP_SIGNALS[mode])
    if (this.#frozen) this.thaw()
    // A smart stop waits for the clients, for as long as they stay.
    const deadline =
      mode === 'smart' ? Number.POSITIVE_INFINITY : performance.now() + STOP_TIMEOUT_MS
    while (this.#child === child) {
      if (performance.now() > deadline) {
        throw new Error(
          `node ${this.#place.name} did not stop (${mode}) within ${STOP_TIMEOUT_MS} ms; end of its log:\n${await this.logTail()}`,
        )
      }
      await sleep(POLL_MS)
    }
  }

  /** Ends the postmaster and all its children with SIGKILL and waits until none is left. */
  async kill(): Promise<void> {
    const child = this.#child
    if (child?.pid !== undefined) {
      const children = listServerProcesses(this.dataDirectory, child.pid)
      signalProcess(child.pid, 'SIGKILL')
      for (const pid of children) signalProcess(pid, 'SIGKILL')
      while (this.#child === child || this.#anyAlive(children)) await sleep(1)
    }
    await this.#killOrphans()
    this.#frozen = false
    await this.#removeTraces()
  }

  /** Stops the postmaster and all its children with SIGSTOP: sockets stay, nothing answers. */
  freeze(): void {
    const pid = this.#requirePid()
    this.#frozen = true
    signalProcess(pid, 'SIGSTOP')
    this.#signalAll(pid, 'SIGSTOP')
    this.#signalAll(pid, 'SIGSTOP') // a child may have been born while its parent was stopping
  }

  /** Lets a frozen server continue. */
  thaw(): void {
    const pid = this.#requirePid()
    this.#signalAll(pid, 'SIGCONT')
    this.#frozen = false
  }

  /** The last lines that the server has logged since its last start. */
  async logTail(): Promise<string> {
    const log = await readFile(join(this.#place.home, 'log')).catch(() => Buffer.alloc(0))
    const lines = log.subarray(this.#logStart).toString('utf8').trimEnd().split('\n')
    return lines.slice(-LOG_TAIL_LINES).join('\n')
  }

  #requirePid(): number {
    const pid = this.#child?.pid
    if (pid === undefined) {
      throw new Error(`node ${this.#place.name} is not running: start it first`)
    }
    return pid
  }

  #signalAll(postmaster: number, signal: NodeJS.Signals): void {
    for (const pid of listServerProcesses(this.dataDirectory, postmaster)) {
      signalProcess(pid, signal)
    }
  }

  async #untilReady(child: ChildProcess): Promise<void> {
    const deadline = performance.now() + START_TIMEOUT_MS
    while (!(await this.#isReady(child))) {
      const late = performance.now() > deadline
      if (this.#child === child && !late) {
        await sleep(POLL_MS)
        continue
      }
      const log = await this.logTail()
      // Unless it was killed and started again meanwhile.
      if (this.#child === child || this.#child === undefined) await this.kill()
      throw new Error(
        `node ${this.#place.name} ${late ? `was not ready within ${START_TIMEOUT_MS} ms` : 'ended while it was starting'}; end of its log:\n${log}`,
      )
    }
  }

  /** Reads what `pg_ctl --wait` reads: the eighth line of the postmaster's pid file. */
  async #isReady(child: ChildProcess): Promise<boolean> {
    const lines = await this.#pidFileLines()
    return Number(lines[0]) === child.pid && lines[7]?.trim() === 'ready'
  }

  async #pidFileLines(): Promise<string[]> {
    const path = join(this.dataDirectory, 'postmaster.pid')
    return (await readFile(path, 'utf8').catch(() => '')).split('\n')
  }

  #anyAlive(pids: readonly number[]): boolean {
    if (process.platform !== 'linux') return pids.some((pid) => signalProcess(pid, 0))
    // Not by signal 0: where a container's first process does not reap, the dead stay as zombies.
    const alive = listServerProcesses(this.dataDirectory, 0)
    return pids.some((pid) => alive.includes(pid))
  }

  /** Children born while their postmaster was being killed. Only Linux can still find them. */
  async #killOrphans(): Promise<void> {
    if (process.platform !== 'linux') return
    for (;;) {
      const orphans = listServerProcesses(this.dataDirectory, 0)
      if (orphans.length === 0) return
      for (const pid of orphans) signalProcess(pid, 'SIGKILL')
      await sleep(1)
    }
  }

  /**
   * Removes what a killed server leaves outside its tables: lock files, which would block the next
   * start if their pid were in use again, and a System V segment, of which a machine has few.
   */
  async #removeTraces(): Promise<void> {
    const { home, user } = this.#place
    const segment = (await this.#pidFileLines())[6]?.trim().split(/\s+/)[1]
    await rm(join(this.dataDirectory, 'postmaster.pid'), { force: true })
    const sockets = (await readdir(home)).filter((name) => name.startsWith('.s.PGSQL.'))
    await Promise.all(sockets.map((name) => rm(join(home, name), { force: true })))
    if (segment === undefined) return
    // May fail: no ipcrm on this system. The segment is 56 bytes, and the next start reuses it.
    await tryCommand('ipcrm', ['-m', segment], { cwd: home, user }).catch(() => undefined)
  }
}
