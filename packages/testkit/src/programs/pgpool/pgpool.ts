import { randomBytes } from 'node:crypto'
import { dirname, join } from 'node:path'
import { findFreePorts } from '../../machine/free-port.js'
import { runCommand } from '../../machine/run-command.js'
import { findServerUser } from '../../machine/server-user.js'
import { debianPackage } from '../debian/debian-package.js'
import { type ProgramParts, RunningProgram, startProgram } from '../start-program.js'
import {
  accessText,
  configurationText,
  type PcpLogin,
  passwordsText,
  pcpPasswordText,
  pcpUsersText,
} from './configuration.js'
import {
  type ResolvedPgpoolOptions,
  resolvePgpoolOptions,
  type StartPgpoolOptions,
} from './pgpool-options.js'

/** A running Pgpool-II in front of one or several servers. */
export interface Pgpool extends AsyncDisposable {
  /** Address that it listens on. */
  readonly host: '127.0.0.1'
  /** TCP port. */
  readonly port: number
  /** Connection URL through it; user, password and database are those of the targets. */
  readonly url: string
  /**
   * Runs one of its PCP commands and returns what it prints. Rejects with the command's own words
   * if it fails.
   *
   * @example
   * await pgpool.pcp('detach_node', '-n', '1')
   */
  pcp(command: string, ...args: readonly string[]): Promise<string>
  /**
   * The last lines it logged.
   *
   * @example
   * console.log(await pgpool.logTail())
   */
  logTail(): Promise<string>
  /**
   * Ends it and removes its files. May be called more than once.
   *
   * @example
   * await pgpool.stop()
   */
  stop(): Promise<void>
}

/**
 * Starts a real Pgpool-II on a free port of 127.0.0.1; resolves when it takes clients. It knows by
 * itself which server is the primary, and takes none out when it fails, unless `settings` say
 * otherwise. The program is the system's, or comes from Debian's package without being installed.
 * Configuration and log lie in a temporary directory; the processes and the directory go with
 * `stop`, at the end of an `await using` block, and in any case when this process ends.
 *
 * Throws `TypeError` or `RangeError` for bad options, an error with the way out when there is no
 * Pgpool-II to be had, and one with the end of its log when it does not start.
 *
 * @example
 * await using cluster = await startCluster({ replicas: 1 })
 * const targets = cluster.nodes.map(({ url }) => url)
 * await using pgpool = await startPgpool({ targets, loadBalance: true })
 */
export async function startPgpool(options: StartPgpoolOptions): Promise<Pgpool> {
  const resolved = resolvePgpoolOptions(options)
  const [pcpPort] = (await findFreePorts(1)) as [number]
  const login: PcpLogin = { user: 'poolhouse_testkit', password: randomBytes(16).toString('hex') }
  const parts = await startProgram({
    name: 'pgpool',
    package: 'pgpool2',
    arguments: ['-n', '-D', '-f', 'pgpool.conf', '-a', 'pool_hba.conf', '-F', 'pcp.conf'],
    files: (port, home) => ({
      'pgpool.conf': configurationText(resolved, home, port, pcpPort),
      'pool_hba.conf': accessText(resolved),
      'pcp.conf': pcpUsersText(login),
      [PCP_PASSWORD]: pcpPasswordText(login, pcpPort),
      pool_passwd: passwordsText(resolved),
    }),
    isReady: (log) => log.includes('successfully started'),
    portTaken: /Address already in use/i,
  })
  return new RunningPgpool(resolved, parts, { port: pcpPort, user: login.user })
}

const PCP_PASSWORD = 'pcppass'

class RunningPgpool extends RunningProgram implements Pgpool {
  readonly url: string
  readonly #pcp: { readonly port: number; readonly user: string }

  constructor(
    { user, password, database }: ResolvedPgpoolOptions,
    parts: ProgramParts,
    pcp: { readonly port: number; readonly user: string },
  ) {
    super(parts)
    this.#pcp = pcp
    const login = [user, ...(password === undefined ? [] : [password])]
    const name = login.map(encodeURIComponent).join(':')
    this.url = `postgres://${name}@${this.host}:${this.port}/${encodeURIComponent(database)}`
  }

  async pcp(command: string, ...args: readonly string[]): Promise<string> {
    const any = 'usr/sbin/pcp_node_count'
    const { binary, env } = await debianPackage('pgpool2', { binary: any })
    const { port, user } = this.#pcp
    return await runCommand(
      join(dirname(binary), `pcp_${command}`),
      ['-h', this.host, '-p', String(port), '-U', user, '-w', ...args],
      {
        cwd: this.home,
        user: findServerUser(),
        env: { ...env, PCPPASSFILE: join(this.home, PCP_PASSWORD) },
      },
    )
  }
}
