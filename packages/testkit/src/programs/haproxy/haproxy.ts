import { chmod, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { findServerUser } from '../../machine/server-user.js'
import {
  createTemporaryDirectory,
  giveTo,
  removeTemporaryDirectory,
} from '../../machine/temporary-directory.js'
import { debianPackage } from '../debian/debian-package.js'
import type { ProgramProcess } from '../program-process.js'
import { startOnFreePort } from '../start-on-free-port.js'
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
   */
  pointTo(target: number | undefined): Promise<void>
  /** Runs commands of its admin socket, such as `show servers state`, and returns what it says. */
  admin(...commands: readonly string[]): Promise<string>
  /** The last lines it logged. */
  logTail(): Promise<string>
  /** Ends it and removes its files. May be called more than once. */
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
 * ```ts
 * await using cluster = await startCluster({ replicas: 1 })
 * await using haproxy = await startHaproxy({ targets: cluster.nodes.map(({ url }) => url) })
 * await cluster.failover()
 * await haproxy.pointTo(1)
 * ```
 */
export async function startHaproxy(options: HaproxyOptions): Promise<Haproxy> {
  const resolved = resolveHaproxyOptions(options)
  const user = findServerUser()
  const program = await debianPackage('haproxy', { binary: 'usr/sbin/haproxy' })
  const home = await createTemporaryDirectory(user)
  try {
    const file = join(home, 'haproxy.cfg')
    const { port, running } = await startOnFreePort(
      {
        name: 'haproxy',
        program,
        arguments: ['-db', '-f', 'haproxy.cfg'],
        home,
        user,
        isReady: () => tell(home, ['show info']).then(Boolean, () => false),
      },
      /cannot bind socket/i,
      async (free) => {
        await writeFile(file, configurationText(resolved, free))
        await chmod(file, 0o600)
        await giveTo(file, user)
      },
    )
    return new RunningHaproxy(resolved, { port, running, home })
  } catch (error) {
    await removeTemporaryDirectory(home)
    throw error
  }
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

interface Parts {
  readonly port: number
  readonly running: ProgramProcess
  readonly home: string
}

class RunningHaproxy implements Haproxy {
  readonly host = '127.0.0.1'
  readonly port: number
  readonly url: string
  readonly #parts: Parts
  readonly #count: number
  #stopped: Promise<void> | undefined

  constructor({ targets, urlAt }: ResolvedHaproxyOptions, parts: Parts) {
    this.#parts = parts
    this.#count = targets.length
    this.port = parts.port
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
    return await tell(this.#parts.home, commands)
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
