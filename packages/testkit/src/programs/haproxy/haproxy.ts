import { connect } from 'node:net'
import { join } from 'node:path'
import { type ProgramParts, RunningProgram, startProgram } from '../start-program.js'
import { ADMIN_SOCKET, configurationText, SECTION, serverName } from './configuration.js'
import {
  type HaproxyOptions,
  type ResolvedHaproxyOptions,
  resolveHaproxyOptions,
} from './haproxy-options.js'

/** A running HAProxy that passes the connections of one port on to one of several servers. */
export interface Haproxy extends AsyncDisposable {
  /** Address that it listens on. */
  readonly host: '127.0.0.1'
  /** TCP port. */
  readonly port: number
  /** Connection URL through it; user, password and database are those of the first target. */
  readonly url: string
  /**
   * Passes connections on to this target from now on, counted from 0, and breaks those to the
   * others, as HAProxy does when a health check finds another primary. The first is 0; `undefined`
   * for none: every client is refused.
   *
   * @example
   * await haproxy.pointTo(1)
   */
  pointTo(target: number | undefined): Promise<void>
  /**
   * Runs commands of its admin socket, such as `show servers state`, and returns what it says.
   *
   * @example
   * console.log(await haproxy.admin('show servers state'))
   */
  admin(...commands: readonly string[]): Promise<string>
  /**
   * The last lines it logged.
   *
   * @example
   * console.log(await haproxy.logTail())
   */
  logTail(): Promise<string>
  /**
   * Ends it and removes its files. May be called more than once.
   *
   * @example
   * await haproxy.stop()
   */
  stop(): Promise<void>
}

/**
 * Starts a real HAProxy on a free port of 127.0.0.1, in TCP mode; resolves when it takes clients.
 * The program is the system's, or comes from Debian's package without being installed.
 * Configuration and log lie in a temporary directory; the process and the directory go with `stop`,
 * at the end of an `await using` block, and in any case when this process ends.
 *
 * Throws `TypeError` for bad options, an error with the way out when there is no HAProxy to be had,
 * and one with the end of its log when it does not start.
 *
 * @example
 * await using cluster = await startCluster({ replicas: 1 })
 * await using haproxy = await startHaproxy({ targets: cluster.nodes.map(({ url }) => url) })
 * await cluster.failover()
 * await haproxy.pointTo(1)
 */
export async function startHaproxy(options: HaproxyOptions): Promise<Haproxy> {
  const resolved = resolveHaproxyOptions(options)
  const parts = await startProgram({
    name: 'haproxy',
    arguments: ['-db', '-f', 'haproxy.cfg'],
    files: (port) => ({ 'haproxy.cfg': configurationText(resolved, port) }),
    isReady: (_, home) => tell(home, ['show info']).then(Boolean, () => false),
    portTaken: /cannot bind socket/i,
  })
  return new RunningHaproxy(resolved, parts)
}

/** Says commands over the admin socket, which HAProxy closes when it has answered them. */
function tell(home: string, commands: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = ''
    const socket = connect(join(home, ADMIN_SOCKET))
    socket.setEncoding('utf8')
    socket.on('data', (text: string) => {
      answer += text
    })
    socket.once('error', reject)
    socket.once('close', () => resolve(answer))
    socket.end(`${commands.join('; ')}\n`)
  })
}

class RunningHaproxy extends RunningProgram implements Haproxy {
  readonly url: string
  readonly #count: number

  constructor({ targets, urlAt }: ResolvedHaproxyOptions, parts: ProgramParts) {
    super(parts)
    this.#count = targets.length
    this.url = urlAt(this.host, this.port)
  }

  async pointTo(target: number | undefined): Promise<void> {
    const all = Array.from({ length: this.#count }, (_, index) => index)
    if (target !== undefined && !all.includes(target)) {
      throw new RangeError(`pointTo: target must be from 0 to ${this.#count - 1}, got ${target}`)
    }
    const commands = all.map((index) => {
      const state = index === target ? 'ready' : 'maint'
      return `set server ${SECTION}/${serverName(index)} state ${state}`
    })
    const others = all.filter((index) => index !== target)
    const breaks = others.map((index) => `shutdown sessions server ${SECTION}/${serverName(index)}`)
    await this.admin(...commands, ...breaks)
  }

  async admin(...commands: readonly string[]): Promise<string> {
    return await tell(this.home, commands)
  }
}
