import {
  type ConnectionPool,
  createPool,
  DatabaseError,
  type QueryResult,
  type Session,
} from '@poolhouse/core'
import { refusesSerializable, settingsOf } from '@poolhouse/core/kit'
import type { DatabasePoolSettings } from '@poolhouse/manager'
import { asUsage } from '../outcome.js'
import type { TargetServer } from '../target/target.js'

/** How a line is opened. */
export interface LineOptions {
  /** Longest time to connect, and for each answer, in milliseconds. */
  readonly timeoutMs: number
  /** Gives it up. */
  readonly signal: AbortSignal
  /** Options of the database's pools that decide how to connect. */
  readonly pool?: Pick<DatabasePoolSettings, 'pooler' | 'requireAuth'> | undefined
}

const CLOSE_MS = 500
const NAME = 'poolhouse-cli'

/** One connection of the command line to one server. */
export class ServerLine {
  /** How long it took to open, in milliseconds. */
  readonly connectMs: number
  readonly #pool: ConnectionPool
  readonly #session: Session
  readonly #options: LineOptions

  private constructor(
    pool: ConnectionPool,
    session: Session,
    connectMs: number,
    options: LineOptions,
  ) {
    this.#pool = pool
    this.#session = session
    this.connectMs = connectMs
    this.#options = options
  }

  /**
   * Opens one. Rejects with `ConnectError` or `AbortError`, and with `UsageError` for wrong
   * options.
   */
  static async open(server: TargetServer, options: LineOptions): Promise<ServerLine> {
    const { timeoutMs, signal, pool: { pooler, requireAuth } = {} } = options
    const pool = asUsage(() =>
      createPool({
        driver: server.driver,
        connection: server.connection,
        name: server.endpoint,
        max: 1,
        connectTimeoutMs: timeoutMs,
        statementTimeoutMs: timeoutMs,
        pooler,
        requireAuth,
      }),
    )
    const began = performance.now()
    try {
      const session = await pool.openSession({ timeoutMs, signal, applicationName: NAME })
      // A command waits for its answers; a monitor would not hold the process.
      session.keepAlive(true)
      return new ServerLine(pool, session, performance.now() - began, options)
    } catch (error) {
      await pool.close({ timeoutMs: CLOSE_MS })
      throw error
    }
  }

  /** Why there is no line any more; undefined while there is one. */
  get lost(): unknown {
    return this.#session.closed ? this.#session.signal.reason : undefined
  }

  /** Whether a pooler stands in between: declared, or noticed when it was opened. */
  get pooler(): ConnectionPool['pooler'] {
    return this.#pool.pooler
  }

  /** How TLS was asked for. */
  get sslMode(): string | undefined {
    return settingsOf(this.#pool)?.ssl.mode
  }

  /**
   * Asks one statement without values. One that is refused because the role's transactions are
   * serializable, which no standby does, is asked again in one that is not.
   */
  async ask<Row>(text: string): Promise<readonly Row[]> {
    try {
      return (await this.#query<Row>(text)).rows
    } catch (error) {
      if (!(error instanceof DatabaseError) || !refusesSerializable(error)) throw error
    }
    await this.#query('begin transaction isolation level repeatable read, read only')
    try {
      return (await this.#query<Row>(text)).rows
    } finally {
      await this.#query('rollback')
    }
  }

  #query<Row>(text: string): Promise<QueryResult<Row>> {
    const { timeoutMs, signal } = this.#options
    return this.#session.query<Row>(text, undefined, { timeoutMs, signal })
  }

  /** Ends it. */
  async close(): Promise<void> {
    this.#session.destroy('the command line is done')
    await this.#pool.close({ timeoutMs: CLOSE_MS })
  }
}
