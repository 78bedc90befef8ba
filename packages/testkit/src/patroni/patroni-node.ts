import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type AdminSession, withAdminSession } from '../cluster/admin-session.js'
import { listServerProcesses, signalProcess } from '../cluster/process-table.js'
import type { ServerUser } from '../cluster/server-user.js'
import { giveTo } from '../cluster/temporary-directory.js'
import { type PatroniNodeConfig, patroniConfig } from './patroni-config.js'
import type { PatroniPrograms } from './patroni-programs.js'
import { SupervisedProcess } from './supervised-process.js'

/** One member of a Patroni cluster: Patroni and the PostgreSQL under it. */
export class PatroniNode {
  /** `a`, `b`, `c`, …. */
  readonly name: string
  /** Port of PostgreSQL on 127.0.0.1. */
  readonly port: number
  /** Address of Patroni's REST interface. */
  readonly restUrl: string
  /** Connection URL of the superuser, database `postgres`. */
  readonly url: string
  readonly #config: PatroniNodeConfig
  readonly #programs: PatroniPrograms
  readonly #user: ServerUser | undefined
  #patroni: SupervisedProcess | undefined

  /** Prepares a node; `start` runs it. */
  constructor(config: PatroniNodeConfig, programs: PatroniPrograms, user: ServerUser | undefined) {
    this.#config = config
    this.#programs = programs
    this.#user = user
    this.name = config.name
    this.port = config.port
    this.restUrl = `http://127.0.0.1:${config.restPort}`
    this.url = `postgres://postgres@127.0.0.1:${config.port}/postgres`
  }

  /** Runs Patroni, which starts or joins the cluster by itself. */
  async start(): Promise<void> {
    const { home } = this.#config
    await mkdir(home, { recursive: true })
    await giveTo(home, this.#user)
    const file = join(home, 'patroni.json')
    await writeFile(file, patroniConfig(this.#config))
    await giveTo(file, this.#user)
    const { python, patroni, env } = this.#programs
    this.#patroni = new SupervisedProcess({
      file: python,
      args: ['-s', patroni, file],
      home,
      name: 'patroni',
      env,
      user: this.#user,
    })
  }

  /** Kills the postmaster alone; Patroni notices and lets another node take over, or starts it again. */
  async killPostmaster(): Promise<void> {
    const text = await readFile(join(this.#config.home, 'data/postmaster.pid'), 'utf8')
    signalProcess(Number(text.split('\n', 1)[0]), 'SIGKILL')
  }

  /** Kills Patroni and PostgreSQL, as a machine that loses its power. `start` brings it back. */
  async crash(): Promise<void> {
    const processes = this.#postgres()
    await this.#patroni?.kill()
    for (const pid of processes) signalProcess(pid, 'SIGKILL')
    for (const pid of this.#postgres()) signalProcess(pid, 'SIGKILL')
  }

  /** Stops every process of the node in mid-air (SIGSTOP); its sockets stay open and nothing answers. */
  freeze(): void {
    this.#patroni?.signal('SIGSTOP')
    for (const pid of this.#postgres()) signalProcess(pid, 'SIGSTOP')
  }

  /** Ends `freeze`: PostgreSQL first, so that it goes on before Patroni learns what happened meanwhile. */
  thaw(): void {
    for (const pid of this.#postgres()) signalProcess(pid, 'SIGCONT')
    this.#patroni?.signal('SIGCONT')
  }

  /** Runs SQL as superuser over the Unix socket. */
  sql<Row = Record<string, unknown>>(text: string, values?: readonly unknown[]): Promise<Row[]> {
    const { name, home, port } = this.#config
    const target = { name, home, port, database: 'postgres' }
    return withAdminSession(target, (session: AdminSession) => session.query<Row>(text, values))
  }

  /** Whether PostgreSQL says that it is a primary; false if it says nothing. */
  async isPrimary(): Promise<boolean> {
    const rows = await this.sql<{ primary: boolean }>(
      'select not pg_is_in_recovery() as primary',
    ).catch(() => [])
    return rows[0]?.primary === true
  }

  /** Ends everything. */
  async stop(): Promise<void> {
    this.thaw()
    await this.crash()
  }

  /** The last lines of Patroni's log, in which PostgreSQL's is mixed. */
  async logTail(): Promise<string> {
    return (await this.#patroni?.logTail()) ?? ''
  }

  #postgres(): number[] {
    return listServerProcesses(join(this.#config.home, 'data'), -1)
  }
}
