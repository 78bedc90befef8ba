import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { withAdminSession } from '../../cluster/admin-session.js'
import { poll } from '../../machine/poll.js'
import { listServerProcesses, signalProcess } from '../../machine/process-table.js'
import type { ServerUser } from '../../machine/server-user.js'
import { giveTo } from '../../machine/temporary-directory.js'
import { SupervisedProcess } from '../supervised-process.js'
import { type Cable, inNetworkOf } from './cluster-network.js'

const CRASH_TIMEOUT_MS = 10_000

/** Where a node lives. */
export interface NodePlace {
  /** `a`, `b`, `c`, …. */
  readonly name: string
  /** Folder of its files; PostgreSQL's are in `data` below it. */
  readonly home: string
  /** Address that PostgreSQL listens on. */
  readonly host: string
  /** Port of PostgreSQL. */
  readonly port: number
  /** User that its processes run as, if it is not that of this process. */
  readonly user: ServerUser | undefined
  /** What joins it to the others, where it can be cut. */
  readonly cable: Cable | undefined
  /** Database that its URL and `sql` lead to. Default `postgres`. */
  readonly database?: string
}

/** A server under a cluster manager: PostgreSQL and the process that looks after it. */
export abstract class ManagedNode {
  /** `a`, `b`, `c`, …. */
  readonly name: string
  /** Address of PostgreSQL; 127.0.0.1, unless every node has a network of its own. */
  readonly host: string
  /** Port of PostgreSQL. */
  readonly port: number
  /** Connection URL of the superuser. */
  readonly url: string
  /** Folder of its files. */
  protected readonly home: string
  /** User that its processes run as. */
  protected readonly user: ServerUser | undefined
  /** What joins it to the others, where it can be cut. */
  protected readonly cable: Cable | undefined
  /** The process that looks after PostgreSQL; undefined before the first `start`. */
  protected keeper: SupervisedProcess | undefined
  readonly #database: string

  /** Prepares a node; `start` runs it. */
  constructor({ name, home, host, port, user, cable, database = 'postgres' }: NodePlace) {
    this.cable = cable
    this.#database = database
    this.name = name
    this.home = home
    this.host = host
    this.port = port
    this.user = user
    // Beyond loopback TLS is the default of clients that take the URL; these servers have none.
    const tls = cable === undefined ? '' : '?sslmode=disable'
    this.url = `postgres://postgres@${host}:${port}/${database}${tls}`
  }

  /**
   * Runs the node, which starts or joins the cluster by itself.
   *
   * @example
   * const node = patroniCluster.node('a')
   * await node.crash()
   * await node.start()
   */
  abstract start(): Promise<void>

  /**
   * Kills the postmaster alone; the manager starts it again, or lets another node take over.
   *
   * @example
   * await (await patroniCluster.leader()).killPostmaster()
   */
  async killPostmaster(): Promise<void> {
    const text = await readFile(join(this.home, 'data/postmaster.pid'), 'utf8')
    signalProcess(Number(text.split('\n', 1)[0]), 'SIGKILL')
  }

  /**
   * Kills everything, as a machine that loses its power. `start` brings it back.
   *
   * @example
   * await (await patroniCluster.leader()).crash()
   */
  async crash(): Promise<void> {
    const killed = this.#processes()
    await this.keeper?.kill()
    for (const pid of killed) signalProcess(pid, 'SIGKILL')
    for (const pid of this.#processes()) {
      killed.push(pid)
      signalProcess(pid, 'SIGKILL')
    }
    // A postmaster that still dies keeps another one out of its data directory.
    await poll(async () => !killed.some((pid) => signalProcess(pid, 0)), {
      what: `the processes of node ${this.name} to be gone`,
      timeoutMs: CRASH_TIMEOUT_MS,
    })
  }

  /**
   * Stops every process of the node in mid-air (SIGSTOP); its sockets stay open and nothing
   * answers.
   *
   * @example
   * const node = await patroniCluster.leader()
   * node.freeze()
   * await node.thaw()
   */
  freeze(): void {
    for (const pid of this.#processes()) signalProcess(pid, 'SIGSTOP')
  }

  /**
   * Ends `freeze`.
   *
   * @example
   * await patroniCluster.node('a').thaw()
   */
  thaw(): Promise<void> {
    for (const pid of this.#processes()) signalProcess(pid, 'SIGCONT')
    return Promise.resolve()
  }

  /**
   * Cuts the node off from the other nodes, from the manager and from this process: what is sent
   * vanishes. Rejects unless it has a network of its own.
   *
   * @example
   * const node = await patroniCluster.leader()
   * await node.isolate()
   * await node.reconnect()
   */
  async isolate(): Promise<void> {
    await this.#ownCable().cut()
  }

  /**
   * Ends `isolate`.
   *
   * @example
   * await patroniCluster.node('a').reconnect()
   */
  async reconnect(): Promise<void> {
    await this.#ownCable().heal()
  }

  /**
   * Runs SQL as superuser over the Unix socket.
   *
   * @example
   * const rows = await patroniCluster.node('a').sql('select pg_is_in_recovery()')
   */
  sql<Row = Record<string, unknown>>(text: string, values?: readonly unknown[]): Promise<Row[]> {
    const { name, home, port } = this
    const target = { name, home, port, database: this.#database }
    return withAdminSession(target, (session) => session.query<Row>(text, values))
  }

  /**
   * Whether PostgreSQL says that it is a primary; false if it says nothing.
   *
   * @example
   * if (await patroniCluster.node('a').isPrimary()) console.log('a leads')
   */
  async isPrimary(): Promise<boolean> {
    const rows = await this.sql<{ primary: boolean }>(
      'select not pg_is_in_recovery() as primary',
    ).catch(() => [])
    return rows[0]?.primary === true
  }

  /**
   * Ends everything.
   *
   * @example
   * await patroniCluster.node('a').stop()
   */
  async stop(): Promise<void> {
    await this.crash()
  }

  /**
   * The last lines of the log of what looks after it.
   *
   * @example
   * console.log(await patroniCluster.node('a').logTail())
   */
  async logTail(): Promise<string> {
    return (await this.keeper?.logTail()) ?? ''
  }

  /** Makes the folder of its files. */
  protected async makeHome(): Promise<void> {
    await mkdir(this.home, { recursive: true })
    await giveTo(this.home, this.user)
  }

  /** Runs a program that looks after PostgreSQL, in the node's own network if it has one. */
  protected run(
    name: string,
    file: string,
    args: readonly string[],
    env: Readonly<Record<string, string>>,
  ): SupervisedProcess {
    const { home, user } = this
    const how = inNetworkOf(this.cable, user, file, args)
    return new SupervisedProcess({ ...how, home, name, env })
  }

  #ownCable(): Cable {
    if (this.cable === undefined) {
      throw new Error('isolate: start the cluster with network "namespaces" to cut off a node')
    }
    return this.cable
  }

  /** What looks after PostgreSQL works in `home`, and PostgreSQL in `data`. */
  #processes(): number[] {
    return [this.home, join(this.home, 'data')].flatMap((folder) => listServerProcesses(folder, -1))
  }
}
