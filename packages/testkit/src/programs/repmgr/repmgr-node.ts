import { appendFile, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isThere } from '../../machine/is-there.js'
import { poll } from '../../machine/poll.js'
import { runCommand } from '../../machine/run-command.js'
import { giveTo, writeFileFor } from '../../machine/temporary-directory.js'
import { inNetworkOf } from '../managed/cluster-network.js'
import { ManagedNode, type NodePlace } from '../managed/managed-node.js'
import {
  accessRules,
  conninfoOf,
  POSTGRESQL_CONF,
  type RepmgrNodeConfig,
  repmgrConf,
  startCommand,
  stopCommand,
} from './repmgr-config.js'

const REGISTER_TIMEOUT_MS = 30_000
const LOG_TAIL_LINES = 20

/** A server under repmgr: PostgreSQL, and `repmgrd` that watches the primary. */
export class RepmgrNode extends ManagedNode {
  readonly #config: RepmgrNodeConfig
  readonly #env: Readonly<Record<string, string>>
  readonly #primary: () => Promise<RepmgrNode | undefined>

  /** Prepares a node; `start` runs it. `primary` finds the node that it is to follow. */
  constructor(
    place: NodePlace,
    config: RepmgrNodeConfig,
    env: Readonly<Record<string, string>>,
    primary: () => Promise<RepmgrNode | undefined>,
  ) {
    super(place)
    this.#config = config
    this.#env = env
    this.#primary = primary
  }

  /**
   * Runs the node. The first one begins a cluster. A new node clones the primary, and one that was
   * away is brought back by `repmgr node rejoin`, if another node is the primary now.
   *
   * @example
   * await using cluster = await startRepmgr()
   * await cluster.node('b').start()
   */
  async start(): Promise<void> {
    const isNew = !(await isThere(join(this.home, 'data/PG_VERSION')))
    const primary = await this.#primary()
    if (isNew) await this.#make(primary)
    else if (primary === undefined) await this.#shell(startCommand(this.#config))
    else await this.#rejoin(primary)
    const repmgrd = `${this.#config.postgresBin}/repmgrd`
    const args = ['-f', join(this.home, 'repmgr.conf'), '--daemonize=false', '--no-pid-file']
    this.keeper = this.run('repmgrd', repmgrd, args, this.#env)
  }

  /**
   * Stops `repmgrd` and then the server in an orderly way, as an operator does; `start` brings it
   * back.
   *
   * @example
   * await using cluster = await startRepmgr()
   * await cluster.node('b').shutDown()
   */
  async shutDown(): Promise<void> {
    await this.keeper?.stop()
    await this.#shell(stopCommand(this.#config))
  }

  /**
   * Makes it the primary, in an orderly way; the former one and the others follow.
   *
   * @example
   * await using cluster = await startRepmgr()
   * await cluster.node('b').switchover()
   */
  async switchover(): Promise<void> {
    await this.#repmgr('standby', 'switchover', '--siblings-follow', '--force-rewind')
  }

  async #make(primary: RepmgrNode | undefined): Promise<void> {
    await this.makeHome()
    await writeFileFor(this.user, join(this.home, 'repmgr.conf'), repmgrConf(this.#config))
    const data = join(this.home, 'data')
    if (primary === undefined) {
      const { postgresBin, subnet } = this.#config
      const options = [
        '-D',
        data,
        '-U',
        'postgres',
        '-A',
        'trust',
        '--locale=C',
        '-E',
        'UTF8',
        '-N',
      ]
      await this.#run(join(postgresBin, 'initdb'), options)
      await appendFile(join(data, 'postgresql.conf'), POSTGRESQL_CONF)
      await writeFile(join(data, 'pg_hba.conf'), accessRules(subnet))
      await giveTo(join(data, 'pg_hba.conf'), this.user)
    } else {
      await this.#repmgr('-d', conninfoOf(primary), 'standby', 'clone', '--fast-checkpoint')
    }
    await this.#shell(startCommand(this.#config))
    await this.#repmgr(primary === undefined ? 'primary' : 'standby', 'register', '--force')
  }

  /** Rewinds it if it has what the primary does not have. */
  async #rejoin(primary: RepmgrNode): Promise<void> {
    const registered = `select from repmgr.nodes where node_name = $1 and type = 'primary'`
    await poll(async () => (await primary.sql(registered, [primary.name])).length > 0, {
      what: `repmgr to have registered ${primary.name} as the primary`,
      timeoutMs: REGISTER_TIMEOUT_MS,
    })
    // Before PostgreSQL 16 pg_rewind takes the timeline of the primary from its control file, which
    // names the former one until the first checkpoint after a promotion.
    await primary.sql('checkpoint')
    try {
      await this.#repmgr('-d', conninfoOf(primary), 'node', 'rejoin', '--force-rewind')
    } catch (cause) {
      const log = await readFile(join(this.home, 'postgres.log'), 'utf8').catch(() => '')
      const end = log.trimEnd().split('\n').slice(-LOG_TAIL_LINES).join('\n')
      throw new Error(`${(cause as Error).message}\nend of postgres.log:\n${end}`, { cause })
    }
  }

  async #repmgr(...args: readonly string[]): Promise<void> {
    const repmgr = join(this.#config.postgresBin, 'repmgr')
    await this.#run(repmgr, ['-f', join(this.home, 'repmgr.conf'), ...args])
  }

  async #shell(command: string): Promise<void> {
    await this.#run('/bin/sh', ['-c', command])
  }

  async #run(file: string, args: readonly string[]): Promise<void> {
    const how = inNetworkOf(this.cable, this.user, file, args)
    await runCommand(how.file, how.args, { cwd: this.home, user: how.user, env: this.#env })
  }
}
