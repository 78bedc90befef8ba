import { type PatroniCluster, type PatroniOptions, startPatroni } from '@poolhouse/testkit'
import { ManagedSetup } from '../managers/managed-setup.js'

/** A Patroni cluster, and a pool that follows its primary. */
export class PatroniSetup extends ManagedSetup<PatroniCluster> {
  static async start(options?: PatroniOptions): Promise<PatroniSetup> {
    return new PatroniSetup(await startPatroni(options))
  }

  get patroni(): PatroniCluster {
    return this.cluster
  }
}
