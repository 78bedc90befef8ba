import { Client } from 'pg'
import { createCertificates } from '../../cluster/certificates.js'
import { type ProgramParts, RunningProgram, startProgram } from '../start-program.js'
import { type AdminLogin, configurationText, createAdminLogin, usersText } from './configuration.js'
import {
  type PgBouncerOptions,
  type ResolvedPgBouncerOptions,
  resolvePgBouncerOptions,
} from './pgbouncer-options.js'

/** A running PgBouncer in front of one server. */
export interface PgBouncer extends AsyncDisposable {
  /** Address that it listens on. */
  readonly host: '127.0.0.1'
  /** TCP port. */
  readonly port: number
  /**
   * Connection URL through it, percent-encoded, without parameters: user, password (unless it
   * trusts everybody) and database are the target's.
   */
  readonly url: string
  /** PEM certificate of the authority to trust, when clients speak TLS. */
  readonly ca?: string
  /**
   * Runs a command of its console, such as `SHOW POOLS`, `PAUSE` or `KILL app`, and returns the
   * rows. Rejects after 10 s without an answer: `PAUSE` waits for every transaction under way.
   *
   * @example
   * const pools = await pgbouncer.admin('show pools')
   */
  admin<Row = Record<string, unknown>>(command: string): Promise<Row[]>
  /**
   * The last lines it logged.
   *
   * @example
   * console.log(await pgbouncer.logTail())
   */
  logTail(): Promise<string>
  /**
   * Ends it, with its clients' connections, and runs it again on the same port.
   *
   * @example
   * await pgbouncer.restart()
   */
  restart(): Promise<void>
  /**
   * Ends it and removes its files. May be called more than once.
   *
   * @example
   * await pgbouncer.stop()
   */
  stop(): Promise<void>
}

const CONSOLE_TIMEOUT_MS = 10_000

/**
 * Starts a real PgBouncer on a free port of 127.0.0.1, in front of one server; resolves when it
 * takes clients. The program is the system's, or comes from Debian's package without being
 * installed. Configuration and log lie in a temporary directory; the process and the directory go
 * with `stop`, at the end of an `await using` block, and in any case when this process ends.
 *
 * Throws `TypeError` or `RangeError` for bad options, an error with the way out when there is no
 * PgBouncer to be had, and one with the end of its log when it does not start.
 *
 * @example
 * await using cluster = await startCluster({ replicas: 0 })
 * await using pgbouncer = await startPgBouncer({ target: cluster.primary.url, poolSize: 2 })
 */
export async function startPgBouncer(options: PgBouncerOptions): Promise<PgBouncer> {
  const resolved = resolvePgBouncerOptions(options)
  const certificates = resolved.tls ? await createCertificates() : undefined
  const admin = createAdminLogin()
  const parts = await startProgram({
    name: 'pgbouncer',
    arguments: ['pgbouncer.ini'],
    files: (port, home) => ({
      'pgbouncer.ini': configurationText(resolved, home, port, admin),
      'users.txt': usersText(resolved, admin),
      ...(certificates && { 'server.crt': certificates.cert, 'server.key': certificates.key }),
    }),
    isReady: (log) => log.includes('process up:'),
    portTaken: /Address already in use/i,
  })
  return new RunningPgBouncer(resolved, parts, admin, certificates?.ca)
}

class RunningPgBouncer extends RunningProgram implements PgBouncer {
  readonly url: string
  readonly ca?: string
  readonly #admin: AdminLogin

  constructor(
    { target, auth }: ResolvedPgBouncerOptions,
    parts: ProgramParts,
    admin: AdminLogin,
    ca: string | undefined,
  ) {
    super(parts)
    this.#admin = admin
    if (ca !== undefined) this.ca = ca
    const { user, password } = target
    const login = (auth === 'trust' ? [user] : [user, password]).map(encodeURIComponent).join(':')
    this.url = `postgres://${login}@${this.host}:${this.port}/${encodeURIComponent(target.database)}`
  }

  async admin<Row = Record<string, unknown>>(command: string): Promise<Row[]> {
    const client = new Client({
      ...this.#admin,
      host: this.home,
      port: this.port,
      database: 'pgbouncer',
      ssl: false,
      connectionTimeoutMillis: CONSOLE_TIMEOUT_MS,
      query_timeout: CONSOLE_TIMEOUT_MS,
    })
    client.on('error', () => undefined) // the command under way rejects
    await client.connect()
    try {
      return (await client.query(command)).rows as Row[]
    } finally {
      await client.end()
    }
  }
}
