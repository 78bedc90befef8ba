import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { findFreePorts } from '../../machine/free-port.js'
import { findServerUser } from '../../machine/server-user.js'
import { createTemporaryDirectory, giveTo } from '../../machine/temporary-directory.js'
import { LOOPBACK_NETWORK, layNetwork } from '../managed/cluster-network.js'
import { type ManagedCluster, RunningCluster } from '../managed/managed-cluster.js'
import { SupervisedProcess } from '../supervised-process.js'
import { PatroniNode } from './patroni-node.js'
import { type PatroniOptions, readPatroniOptions } from './patroni-options.js'
import { patroniPrograms } from './patroni-programs.js'

const START_TIMEOUT_MS = 90_000
const SWITCHOVER_TIMEOUT_MS = 60_000

/** A running Patroni cluster: etcd, and a Patroni with its PostgreSQL 15 for each node. */
export interface PatroniCluster extends ManagedCluster<PatroniNode> {
  /** REST addresses of the nodes, for `patroni({ urls })`. */
  readonly restUrls: readonly string[]
  /**
   * Stops etcd in mid-air: after a while no node may be primary.
   *
   * @example
   * patroniCluster.freezeDcs()
   */
  freezeDcs(): void
  /**
   * Ends `freezeDcs`.
   *
   * @example
   * patroniCluster.thawDcs()
   */
  thawDcs(): void
}

/**
 * Starts a real Patroni cluster, on loopback unless `network` says otherwise, from Debian packages
 * that are unpacked and not installed; resolves when it has a primary and all its replicas stream,
 * after some 15 s. Root's servers run as `nobody`.
 *
 * Throws when a package cannot be had, and with the ends of the logs when the cluster does not come
 * up.
 *
 * @example
 * await using patroni = await startPatroni()
 * await patroni.switchover('b')
 */
export async function startPatroni(options: PatroniOptions = {}): Promise<PatroniCluster> {
  const { nodes: count, synchronous, network: kind } = readPatroniOptions(options)
  const programs = await patroniPrograms()
  const network = kind === 'namespaces' ? await layNetwork('startPatroni') : LOOPBACK_NETWORK
  const { center: dcsHost, subnet } = network
  const user = findServerUser()
  const home = await createTemporaryDirectory(user)
  const [etcdPort, peerPort, ...ports] = await findFreePorts(2 + 2 * count)
  await mkdir(join(home, 'etcd'))
  await giveTo(join(home, 'etcd'), user)
  const client = `http://${dcsHost}:${etcdPort}`
  const peer = `http://${dcsHost}:${peerPort}`
  const etcd = new SupervisedProcess({
    file: programs.etcd,
    args: [
      ...['--name', 'dcs', '--data-dir', 'data', '--unsafe-no-fsync'],
      ...['--listen-client-urls', client, '--advertise-client-urls', client],
      ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer],
      ...['--initial-cluster', `dcs=${peer}`, '--log-level', 'error'],
    ],
    home: join(home, 'etcd'),
    name: 'etcd',
    env: programs.env,
    user,
  })
  const nodes: PatroniNode[] = []
  for (let index = 0; index < count; index++) {
    const name = String.fromCharCode('a'.charCodeAt(0) + index)
    const [port, restPort] = ports.slice(2 * index) as [number, number]
    const place = { name, home: join(home, name), port, user, ...(await network.join(index)) }
    const config = {
      ...place,
      scope: 'poolhouse',
      subnet,
      restPort,
      etcd: `${dcsHost}:${etcdPort}`,
      postgresBin: programs.postgresBin,
      synchronous,
    }
    nodes.push(new PatroniNode(place, config, programs))
  }
  const cluster = new RunningPatroni(home, etcd, nodes, synchronous)
  try {
    // The first one writes the settings of the cluster; started with it, the others would go by
    // Patroni's slower ones.
    const [first, ...others] = nodes
    await first!.start()
    await cluster.leader(START_TIMEOUT_MS)
    for (const node of others) await node.start()
    await cluster.healthy(START_TIMEOUT_MS)
    return cluster
  } catch (error) {
    await cluster.stop()
    throw error
  }
}

class RunningPatroni extends RunningCluster<PatroniNode> implements PatroniCluster {
  readonly #etcd: SupervisedProcess
  readonly #synchronous: boolean

  constructor(
    home: string,
    etcd: SupervisedProcess,
    nodes: readonly PatroniNode[],
    synchronous: boolean,
  ) {
    super(home, nodes)
    this.#synchronous = synchronous
    this.#etcd = etcd
  }

  get restUrls(): readonly string[] {
    return this.nodes.map(({ restUrl }) => restUrl)
  }

  async switchover(to?: string): Promise<PatroniNode> {
    const leader = await this.leader()
    const candidate = to === undefined ? undefined : this.node(to).name
    const response = await fetch(`${leader.restUrl}/switchover`, {
      method: 'POST',
      body: JSON.stringify({ leader: leader.name, ...(candidate && { candidate }) }),
    })
    const answer = await response.text()
    if (!response.ok)
      throw new Error(`Patroni refused the switchover (${response.status}): ${answer}`)
    return await this.until('new primary', SWITCHOVER_TIMEOUT_MS, async () => {
      const found = await this.findLeader()
      return found === leader ? undefined : found
    })
  }

  freezeDcs(): void {
    this.#etcd.signal('SIGSTOP')
  }

  thawDcs(): void {
    this.#etcd.signal('SIGCONT')
  }

  protected override async end(): Promise<void> {
    this.thawDcs()
    await Promise.all(this.nodes.map((node) => node.stop()))
    await this.#etcd.stop()
  }

  /**
   * Whether Patroni knows of a standby to which it may switch over; PostgreSQL waits for it a
   * little earlier.
   */
  protected override async isSettled({ restUrl }: PatroniNode): Promise<boolean> {
    if (!this.#synchronous || this.nodes.length === 1) return true
    const response = await fetch(`${restUrl}/cluster`).catch(() => undefined)
    const { members = [] } = ((await response?.json()) ?? {}) as { members?: { role: string }[] }
    return members.some(({ role }) => role === 'sync_standby')
  }

  protected override async logTail(): Promise<string> {
    return `etcd:\n${await this.#etcd.logTail()}`
  }
}
