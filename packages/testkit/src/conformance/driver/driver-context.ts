import type { Socket } from 'node:net'
import { type ConnectionPool, createPool, type Driver, type PoolOptions } from '@poolhouse/core'
import type { FaultProxy } from '../../fault-proxy/fault-proxy.js'
import type { WireScript } from '../../wire-server/script.js'
import { startWireServer, type WireServer } from '../../wire-server/wire-server.js'
import type { ConformanceArea, ConformanceCase } from '../run/conformance-case.js'
import { until } from '../run/waiting.js'
import {
  type CuttingRelay,
  type RawServer,
  startCuttingRelay,
  startRawServer,
} from '../server/raw-server.js'
import { type Address, ServerContext, type ServerContextParts } from '../server/server-context.js'
import { ContractWatch } from '../session/contract-watch.js'
import {
  connectContext,
  type Login,
  type RecordedContext,
  type TestSession,
  testSession,
} from '../session/test-session.js'

/** A case for drivers. */
export type DriverCase = ConformanceCase<DriverContext>
/** Cases for drivers that belong together. */
export type DriverArea = ConformanceArea<DriverContext>

/** What a context for a driver is made of. */
export interface DriverContextParts extends ServerContextParts {
  /** The driver under test. */
  readonly driver: Driver
}

/** A session and the line that it goes over. */
export interface RelayedSession {
  /** Can be cut after any byte. */
  readonly relay: CuttingRelay
  /** The session. */
  readonly session: TestSession
}

/**
 * What a case for drivers works with: sessions and pools on a real server, over a line that can be
 * broken.
 */
export class DriverContext extends ServerContext {
  readonly #watch: ContractWatch

  /** Makes a context with a line of its own. */
  static async start(parts: DriverContextParts): Promise<DriverContext> {
    return new DriverContext(parts, await ServerContext.openLine(parts))
  }

  private constructor(parts: DriverContextParts, line: FaultProxy) {
    super(parts, line)
    this.#watch = new ContractWatch(parts.driver)
  }

  /** The driver under test; what is done with it is watched. */
  get driver(): Driver {
    return this.#watch.driver
  }

  /** Everything `connect` needs, and a record of what it reports. */
  contextFor(login: Login = {}): RecordedContext {
    return connectContext({ ...this.loginOver(this.line), ...login })
  }

  /** Opens a session. */
  async connect(login: Login = {}): Promise<TestSession> {
    const { context, heard } = this.contextFor(login)
    return testSession(await this.driver.connect(context), heard)
  }

  /** A pool over the line, or another way to the server, closed when the case is over. */
  pool(
    options: Omit<Partial<PoolOptions>, 'driver' | 'connection'> = {},
    way: Address = this.line,
  ): ConnectionPool {
    const pool = createPool({
      name: 'conformance',
      ...options,
      driver: this.driver,
      connection: { ...this.loginOver(way), ssl: false },
    })
    this.defer(() => pool.close({ timeoutMs: 0 }))
    return pool
  }

  /** A session over a line that can be cut after any byte. */
  async relayed(target: Address = this.nearest): Promise<RelayedSession> {
    const relay = await this.relay(target)
    return { relay, session: await this.connect({ host: relay.host, port: relay.port }) }
  }

  /** A line that can be cut after any byte. */
  async relay(target: Address = this.nearest): Promise<CuttingRelay> {
    return this.#closing(await startCuttingRelay(target))
  }

  /** A port with the behaviour that `onSocket` gives it. */
  async rawServer(onSocket: (socket: Socket) => void): Promise<RawServer> {
    return this.#closing(await startRawServer(onSocket))
  }

  /** A server that plays a script. */
  async wire(script?: WireScript): Promise<WireServer> {
    return this.#closing(await startWireServer(script))
  }

  #closing<T extends { close(): Promise<void> }>(opened: T): T {
    this.defer(() => opened.close())
    return opened
  }

  /** How to log in to a scripted server. */
  wireLogin({ host, port, script }: WireServer): Login {
    return { host, port, user: 'wire', database: 'wire', password: script.password }
  }

  /** Ends a session as an administrator does. */
  async terminate({ connection }: TestSession): Promise<void> {
    await this.terminatePid(connection.info.backendPid)
  }

  /** Resolves when the server has ended its process for the session. */
  async untilGone({ connection }: TestSession): Promise<void> {
    await until(async () => {
      const text = 'select from pg_stat_activity where pid = $1'
      return (await this.server.sql(text, [connection.info.backendPid])).length === 0
    }, 'the server process to end')
  }

  /** Resolves when the server runs this statement for the session. */
  async untilRunning({ connection }: TestSession, text: string): Promise<void> {
    await until(async () => {
      const rows = await this.server.sql(
        `select from pg_stat_activity where pid = $1 and state = 'active' and query = $2`,
        [connection.info.backendPid, text],
      )
      return rows.length > 0
    }, `"${text}" to run`)
  }

  /**
   * Resolves when the session sleeps in `pg_sleep`. Between two reads of a cursor its statement
   * shows as running too, and a cancel that meets the server there is lost.
   */
  async untilSleeping({ connection }: TestSession): Promise<void> {
    await until(async () => {
      const rows = await this.server.sql(
        `select from pg_stat_activity where pid = $1 and wait_event = 'PgSleep'`,
        [connection.info.backendPid],
      )
      return rows.length > 0
    }, 'the session to sleep')
  }

  protected override async settle(): Promise<string[]> {
    this.#watch.destroyAll()
    return []
  }

  protected override verdict(): Promise<string[]> {
    this.#watch.destroyAll()
    return this.#watch.verdict()
  }
}

/** The work of a case that begins with an open session, by default one like any other. */
export function onSession(
  run: (session: TestSession, test: DriverContext) => Promise<void>,
  open: (test: DriverContext) => Promise<TestSession> = (test) => test.connect(),
): DriverCase['run'] {
  return async (test) => run(await open(test), test)
}
