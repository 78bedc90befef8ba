import { setTimeout as sleep } from 'node:timers/promises'
import { type FaultProxy, startFaultProxy } from '../../fault-proxy/fault-proxy.js'
import type { CaseContext } from '../run/run-case.js'
import { seededRandom } from '../run/seeded-random.js'
import { until } from '../run/waiting.js'
import type { ReplicaUnderTest, ServerUnderTest } from './server-under-test.js'

/** Where something listens. */
export interface Address {
  /** Its host. */
  readonly host: string
  /** Its TCP port. */
  readonly port: number
}

/** How an ordinary role logs in to the server. */
export interface LoginOver extends Address {
  /** Login name. */
  readonly user: string
  /** Its password. */
  readonly password: string
  /** The database. */
  readonly database: string
  /** `application_name`. */
  readonly applicationName: string
}

/** What every context is made of. */
export interface ServerContextParts {
  /** A server that the cases may do anything to, but stop. */
  readonly server: ServerUnderTest
  /** Seed of `random`. */
  readonly seed: number
  /** Time that every byte spends on the line, each way, in milliseconds. */
  readonly latencyMs: number
  /**
   * By how much longer than usual the cases wait for what has to come, 1 being usual. Default 1,
   * and more on a line with delay. Less finds sooner what never comes, and may miss what comes
   * late.
   */
  readonly patience?: number | undefined
  /**
   * How much is done of what cases do again and again, because chance decides what it meets.
   * Default 1: all of it.
   */
  readonly effort?: number | undefined
}

/** Far longer than an answer takes from a server on this machine. */
const ARRIVED_MS = 50
/** Latency that doubles every wait, in milliseconds. */
const LATENCY_OF_TWICE = 25

/** By how much the limits of a case are stretched. */
export function patienceOf({ patience, latencyMs }: ServerContextParts): number {
  return patience ?? 1 + latencyMs / LATENCY_OF_TWICE
}

let contexts = 0

/**
 * A real server behind a line that can be broken, and what is to be undone when the case is over.
 */
export abstract class ServerContext implements CaseContext {
  /** The server itself, behind the line. */
  readonly server: ServerUnderTest
  /** The line that every session goes over unless its login says otherwise. */
  readonly line: FaultProxy
  /** Time that every byte spends on the line, each way, in milliseconds. */
  readonly latencyMs: number
  /** `application_name` of the sessions. */
  readonly applicationName: string
  /** Random numbers from 0 (included) to 1 (excluded), the same for the same seed. */
  readonly random: () => number
  readonly #effort: number
  readonly #cleanups: (() => unknown)[] = []

  /** Takes a line that was opened for this context alone. */
  constructor({ server, seed, latencyMs, effort = 1 }: ServerContextParts, line: FaultProxy) {
    contexts++
    this.server = server
    this.line = line
    this.latencyMs = latencyMs
    this.applicationName = `conformance-${process.pid}-${contexts}`
    this.random = seededRandom(seed)
    this.#effort = effort
    if (latencyMs > 0) line.delay(latencyMs)
  }

  /** Opens a line to the server. */
  static openLine({ server }: ServerContextParts): Promise<FaultProxy> {
    return startFaultProxy({ host: server.host, port: server.port })
  }

  /** The server behind the line. */
  protected get behind(): ServerUnderTest | ReplicaUnderTest {
    return this.server
  }

  /**
   * The way to the server for what needs none of the line's faults: the server itself, unless the
   * line is to be slow.
   */
  get nearest(): Address {
    return this.latencyMs > 0 ? this.line : this.server
  }

  /** Who logs in to the server, over a way that leads there. */
  protected loginOver({ host, port }: Address): LoginOver {
    const { user, password, database } = this.server
    return { host, port, user, password, database, applicationName: this.applicationName }
  }

  /** How often to do what would be done `count` times with all effort. */
  rounds(count: number): number {
    return Math.max(1, Math.ceil(count * this.#effort))
  }

  /**
   * A table that every role may use, dropped when the case is over; `columns` as in CREATE TABLE.
   */
  async table(columns: string): Promise<string> {
    const name = `${this.applicationName.replaceAll('-', '_')}_${this.#cleanups.length}`
    await this.server.sql(`create table ${name} (${columns})`)
    await this.server.sql(`alter table ${name} owner to ${this.server.user}`)
    this.defer(() => this.server.sql(`drop table ${name}`))
    return name
  }

  /** Ends the session with this process id as an administrator does. */
  async terminatePid(pid: number): Promise<void> {
    await this.behind.sql('select pg_terminate_backend($1)', [pid])
  }

  /**
   * Resolves with the process id of the session of this case that runs this statement, as soon as
   * there is one.
   */
  async pidRunning(text: string): Promise<number> {
    let pid = 0
    await until(async () => {
      const [row] = await this.behind.sql<{ pid: number }>(
        `select pid from pg_stat_activity where state = 'active' and query = $1 and application_name = $2`,
        [text, this.applicationName],
      )
      pid = row?.pid ?? 0
      return pid > 0
    }, `"${text}" to run`)
    return pid
  }

  /** Resolves when what the server has sent so far has come over the line. */
  async arrived(): Promise<void> {
    await sleep(ARRIVED_MS + 2 * this.latencyMs)
  }

  /** Has something done when the case is over; what was deferred last is done first. */
  defer(cleanup: () => unknown): void {
    this.#cleanups.push(cleanup)
  }

  async end(): Promise<void> {
    const wrong = await this.settle()
    // Pools and servers before the tables under them.
    for (const cleanup of this.#cleanups.reverse()) {
      try {
        await cleanup()
      } catch (error) {
        wrong.push(`cleaning up failed: ${String(error)}`)
      }
    }
    wrong.push(...(await this.verdict()))
    await until(() => this.line.connections === 0, 'the sockets to be closed', 2_000).catch(() => {
      wrong.push(`${this.line.connections} sockets to the server were left open`)
    })
    await this.line.close()
    if (wrong.length > 0) throw new Error(wrong.join('; '))
  }

  /** Ends what the case has opened, before anything is undone; gives what is wrong. */
  protected abstract settle(): Promise<string[]>

  /** Gives what is wrong once everything has been undone. */
  protected abstract verdict(): Promise<string[]>
}
