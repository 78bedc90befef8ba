import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Client } from 'pg'
import { createCertificates } from '../../cluster/certificates.js'
import { findServerUser, type ServerUser } from '../../machine/server-user.js'
import {
  createTemporaryDirectory,
  giveTo,
  removeTemporaryDirectory,
} from '../../machine/temporary-directory.js'
import { debianPackage } from '../debian/debian-package.js'
import type { ProgramProcess } from '../program-process.js'
import { startOnFreePort } from '../start-on-free-port.js'
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
   * rows.
   */
  admin<Row = Record<string, unknown>>(command: string): Promise<Row[]>
  /** The last lines it logged. */
  logTail(): Promise<string>
  /** Ends it and removes its files. May be called more than once. */
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
 * ```ts
 * await using cluster = await startCluster({ replicas: 0 })
 * await using pgbouncer = await startPgBouncer({ target: cluster.primary.url, poolSize: 2 })
 * ```
 */
export async function startPgBouncer(options: PgBouncerOptions): Promise<PgBouncer> {
  const resolved = resolvePgBouncerOptions(options)
  // PgBouncer refuses root, as PostgreSQL does.
  const user = findServerUser()
  const program = await debianPackage('pgbouncer', { binary: 'usr/sbin/pgbouncer' })
  const home = await createTemporaryDirectory(user)
  try {
    const ca = resolved.tls ? await installCertificates(home, user) : undefined
    const admin = createAdminLogin()
    await writeFor(user, join(home, 'users.txt'), usersText(resolved, admin))
    const { port, running } = await startOnFreePort(
      {
        name: 'pgbouncer',
        program,
        arguments: ['pgbouncer.ini'],
        home,
        user,
        isReady: (log) => log.includes('process up:'),
      },
      /Address already in use/i,
      (free) =>
        writeFor(user, join(home, 'pgbouncer.ini'), configurationText(resolved, home, free, admin)),
    )
    return new RunningPgBouncer(resolved, { port, running, home, admin, ca })
  } catch (error) {
    await removeTemporaryDirectory(home)
    throw error
  }
}

async function installCertificates(home: string, user: ServerUser | undefined): Promise<string> {
  const { ca, cert, key } = await createCertificates()
  await writeFor(user, join(home, 'server.crt'), cert)
  await writeFor(user, join(home, 'server.key'), key)
  return ca
}

async function writeFor(user: ServerUser | undefined, path: string, text: string): Promise<void> {
  await writeFile(path, text)
  await chmod(path, 0o600)
  await giveTo(path, user)
}

interface Parts {
  readonly port: number
  readonly running: ProgramProcess
  readonly home: string
  readonly admin: AdminLogin
  readonly ca: string | undefined
}

class RunningPgBouncer implements PgBouncer {
  readonly host = '127.0.0.1'
  readonly port: number
  readonly url: string
  readonly ca?: string
  readonly #parts: Parts
  #stopped: Promise<void> | undefined

  constructor({ target, auth }: ResolvedPgBouncerOptions, parts: Parts) {
    this.#parts = parts
    this.port = parts.port
    if (parts.ca !== undefined) this.ca = parts.ca
    const { user, password } = target
    const login = (auth === 'trust' ? [user] : [user, password]).map(encodeURIComponent).join(':')
    this.url = `postgres://${login}@${this.host}:${this.port}/${encodeURIComponent(target.database)}`
  }

  async admin<Row = Record<string, unknown>>(command: string): Promise<Row[]> {
    const { home, port, admin } = this.#parts
    const client = new Client({
      host: home,
      port,
      user: admin.user,
      password: admin.password,
      database: 'pgbouncer',
      ssl: false,
      connectionTimeoutMillis: CONSOLE_TIMEOUT_MS,
    })
    client.on('error', () => undefined) // the command under way rejects
    await client.connect()
    try {
      return (await client.query(command)).rows as Row[]
    } finally {
      await client.end()
    }
  }

  async logTail(): Promise<string> {
    return await this.#parts.running.logTail()
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  async #stop(): Promise<void> {
    await this.#parts.running.stop()
    await removeTemporaryDirectory(this.#parts.home)
  }
}
