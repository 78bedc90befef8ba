import { join } from 'node:path'
import { writeFileFor } from '../../machine/temporary-directory.js'
import { ManagedNode, type NodePlace } from '../managed/managed-node.js'
import { type PatroniNodeConfig, patroniConfig } from './patroni-config.js'
import type { PatroniPrograms } from './patroni-programs.js'

/** One member of a Patroni cluster: Patroni and the PostgreSQL under it. */
export class PatroniNode extends ManagedNode {
  /** Address of Patroni's REST interface. */
  readonly restUrl: string
  readonly #config: PatroniNodeConfig
  readonly #programs: PatroniPrograms

  /** Prepares a node; `start` runs it. */
  constructor(place: NodePlace, config: PatroniNodeConfig, programs: PatroniPrograms) {
    super(place)
    this.#config = config
    this.#programs = programs
    this.restUrl = `http://${config.host}:${config.restPort}`
  }

  async start(): Promise<void> {
    await this.makeHome()
    const file = join(this.home, 'patroni.json')
    await writeFileFor(this.user, file, patroniConfig(this.#config))
    const { python, patroni, env } = this.#programs
    this.keeper = this.run('patroni', python, ['-s', patroni, file], env)
  }

  /**
   * Ends `freeze`: PostgreSQL goes on as the primary it was, and Patroni is started anew. One that
   * only went on could take the leadership back: Patroni 3.0.2 over etcd 3 writes the leader's key
   * by what it knew before it was frozen, although another node may lead by now.
   *
   * @example
   * await patroniCluster.node('a').thaw()
   */
  override async thaw(): Promise<void> {
    // Frozen processes die of SIGKILL as they are.
    await this.keeper?.kill()
    await super.thaw()
    await this.start()
  }
}
