import { findFreePorts } from '../../machine/free-port.js'
import { type ProgramParts, RunningProgram, startProgram } from '../start-program.js'
import { accessText, configurationText, passwordsText } from './configuration.js'
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
  const parts = await startProgram({
    name: 'pgpool',
    package: 'pgpool2',
    arguments: ['-n', '-D', '-f', 'pgpool.conf', '-a', 'pool_hba.conf', '-F', 'pcp.conf'],
    files: (port, home) => ({
      'pgpool.conf': configurationText(resolved, home, port, pcpPort),
      'pool_hba.conf': accessText(resolved),
      'pcp.conf': '',
      pool_passwd: passwordsText(resolved),
    }),
    isReady: (log) => log.includes('successfully started'),
    portTaken: /Address already in use/i,
  })
  return new RunningPgpool(resolved, parts)
}

class RunningPgpool extends RunningProgram implements Pgpool {
  readonly url: string

  constructor({ user, password, database }: ResolvedPgpoolOptions, parts: ProgramParts) {
    super(parts)
    const login = [user, ...(password === undefined ? [] : [password])]
    const name = login.map(encodeURIComponent).join(':')
    this.url = `postgres://${name}@${this.host}:${this.port}/${encodeURIComponent(database)}`
  }
}
