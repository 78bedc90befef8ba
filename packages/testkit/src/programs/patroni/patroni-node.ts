import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type AdminSession, withAdminSession } from '../../cluster/admin-session.js'
import { listServerProcesses, signalProcess } from '../../machine/process-table.js'
import type { ServerUser } from '../../machine/server-user.js'
import { giveTo } from '../../machine/temporary-directory.js'
import { SupervisedProcess } from '../supervised-process.js'
import { type PatroniNodeConfig, patroniConfig } from './patroni-config.js'
import { inNamespace } from './patroni-network.js'
import type { PatroniPrograms } from './patroni-programs.js'

/** What joins a node to the others, where it can be cut. */
export interface Cable {
  /** Name of the node's network namespace. */
  readonly namespace: string
  /** Nothing comes through any more. */
  cut(): Promise<void>
  /** Ends `cut`. */
  heal(): Promise<void>
}

/** One member of a Patroni cluster: Patroni and the PostgreSQL under it. */
export class PatroniNode {
  /** `a`, `b`, `c`, …. */
  readonly name: string
  /** Address of PostgreSQL; 127.0.0.1, unless every node has a network of its own. */
  readonly host: string
  /** Port of PostgreSQL. */
  readonly port: number
  /** Address of Patroni's REST interface. */
  readonly restUrl: string
  /** Connection URL of the superuser, database `postgres`. */
  readonly url: string
  readonly #config: PatroniNodeConfig
  readonly #programs: PatroniPrograms
  readonly #user: ServerUser | undefined
  readonly #cable: Cable | undefined
  #patroni: SupervisedProcess | undefined

  /** Prepares a node; `start` runs it. */
  constructor(
    config: PatroniNodeConfig,
    programs: PatroniPrograms,
    user: ServerUser | undefined,
    cable?: Cable,
  ) {
    this.#cable = cable
    this.#config = config
    this.#programs = programs
    this.#user = user
    this.name = config.name
    this.host = config.host
    this.port = config.port
    this.restUrl = `http://${config.host}:${config.restPort}`
    // Beyond loopback TLS is the default of clients that take the URL; these servers have none.
    const tls = cable === undefined ? '' : '?sslmode=disable'
    this.url = `postgres://postgres@${config.host}:${config.port}/postgres${tls}`
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
    const args = ['-s', patroni, file]
    const { namespace } = this.#cable ?? {}
    // Only root may enter a namespace; it changes its user there.
    const how =
      namespace === undefined
        ? { file: python, args, user: this.#user }
        : { ...inNamespace(namespace, this.#user, python, args), user: undefined }
    this.#patroni = new SupervisedProcess({ ...how, home, name: 'patroni', env })
  }

  /**
   * Kills the postmaster alone; Patroni notices and lets another node take over, or starts it
   * again.
   */
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

  /**
   * Stops every process of the node in mid-air (SIGSTOP); its sockets stay open and nothing
   * answers.
   */
  freeze(): void {
    this.#patroni?.signal('SIGSTOP')
    for (const pid of this.#postgres()) signalProcess(pid, 'SIGSTOP')
  }

  /**
   * Ends `freeze`: PostgreSQL goes on as the primary it was, and Patroni is started anew. One that
   * only went on could take the leadership back: Patroni 3.0.2 over etcd 3 writes the leader's key
   * by what it knew before it was frozen, although another node may lead by now.
   */
  async thaw(): Promise<void> {
    for (const pid of this.#postgres()) signalProcess(pid, 'SIGCONT')
    await this.#patroni?.kill()
    await this.start()
  }

  /**
   * Cuts the node off from the other nodes, from etcd and from this process: what is sent vanishes.
   * Rejects unless it has a network of its own.
   */
  async isolate(): Promise<void> {
    await this.#ownCable().cut()
  }

  /** Ends `isolate`. */
  async reconnect(): Promise<void> {
    await this.#ownCable().heal()
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
    await this.crash()
  }

  /** The last lines of Patroni's log, in which PostgreSQL's is mixed. */
  async logTail(): Promise<string> {
    return (await this.#patroni?.logTail()) ?? ''
  }

  #ownCable(): Cable {
    if (this.#cable === undefined) {
      throw new Error('isolate: start the cluster with network "namespaces" to cut off a node')
    }
    return this.#cable
  }

  #postgres(): number[] {
    return listServerProcesses(join(this.#config.home, 'data'), -1)
  }
}
