import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { DirectoryOwner } from '../../machine/directory-owner.js'
import { findFreePorts } from '../../machine/free-port.js'
import { findServerUser } from '../../machine/server-user.js'
import { createTemporaryDirectory, giveTo } from '../../machine/temporary-directory.js'
import { SupervisedProcess } from '../supervised-process.js'
import { PatroniNetwork, type Place } from './patroni-network.js'
import { type Cable, PatroniNode } from './patroni-node.js'
import { type PatroniOptions, readPatroniOptions } from './patroni-options.js'
import { patroniPrograms } from './patroni-programs.js'

const LOOPBACK = '127.0.0.1'
const START_TIMEOUT_MS = 90_000
const SWITCHOVER_TIMEOUT_MS = 60_000
const POLL_MS = 50

/** A running Patroni cluster: etcd, and a Patroni with its PostgreSQL 15 for each node. */
export interface PatroniCluster extends AsyncDisposable {
  /** The nodes, in order of their names. */
  readonly nodes: readonly PatroniNode[]
  /** Connection URLs of the nodes, superuser without password. */
  readonly urls: readonly string[]
  /** REST addresses of the nodes, for `patroni({ urls })`. */
  readonly restUrls: readonly string[]
  /** The node of that name. Throws `RangeError` if there is none. */
  node(name: string): PatroniNode
  /**
   * The node whose PostgreSQL says that it is the primary (SQL, not REST); waits for one, at most
   * `timeoutMs` (60 000). Of several, that of the highest timeline.
   */
  leader(timeoutMs?: number): Promise<PatroniNode>
  /** Has Patroni move the primary to another node, by default any. Resolves when it is one. */
  switchover(to?: string): Promise<PatroniNode>
  /** Stops etcd in mid-air: after a while no node may be primary. */
  freezeDcs(): void
  /** Ends `freezeDcs`. */
  thawDcs(): void
  /**
   * Resolves when there is a primary and every other node streams from it. Throws with the ends of
   * the logs when that takes too long.
   */
  healthy(timeoutMs?: number): Promise<void>
  /** Ends everything and removes its files. May be called more than once. */
  stop(): Promise<void>
}

/**
 * Starts a real Patroni cluster, on loopback unless `network` says otherwise, from Debian packages
 * that are unpacked and not installed; resolves when it has a primary and all its replicas stream,
 * after some 15 s. Root's servers run as `nobody`.
 *
 * Throws when a package cannot be had, and with the ends of the logs when the cluster does not come
 * up.
 *
 * ```ts
 * await using patroni = await startPatroni()
 * await patroni.switchover('b')
 * ```
 */
export async function startPatroni(options: PatroniOptions = {}): Promise<PatroniCluster> {
  const { nodes: count, synchronous, network: kind } = readPatroniOptions(options)
  const programs = await patroniPrograms()
  const network = kind === 'namespaces' ? await PatroniNetwork.lay() : undefined
  const dcsHost = network?.dcs.host ?? LOOPBACK
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
    const place = await network?.join(index)
    const config = {
      scope: 'poolhouse',
      name,
      home: join(home, name),
      host: place?.host ?? LOOPBACK,
      subnet: network?.subnet ?? `${LOOPBACK}/32`,
      port,
      restPort,
      etcd: `${dcsHost}:${etcdPort}`,
      postgresBin: programs.postgresBin,
      synchronous,
    }
    nodes.push(new PatroniNode(config, programs, user, cableOf(network, index, place)))
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

function cableOf(
  network: PatroniNetwork | undefined,
  index: number,
  place: Place | undefined,
): Cable | undefined {
  if (network === undefined || place?.namespace === undefined) return undefined
  const { namespace } = place
  return { namespace, cut: () => network.cut(index), heal: () => network.heal(index) }
}

class RunningPatroni extends DirectoryOwner implements PatroniCluster {
  readonly nodes: readonly PatroniNode[]
  readonly #etcd: SupervisedProcess
  readonly #synchronous: boolean

  constructor(
    home: string,
    etcd: SupervisedProcess,
    nodes: readonly PatroniNode[],
    synchronous: boolean,
  ) {
    super(home)
    this.#synchronous = synchronous
    this.#etcd = etcd
    this.nodes = nodes
  }

  get urls(): readonly string[] {
    return this.nodes.map(({ url }) => url)
  }

  get restUrls(): readonly string[] {
    return this.nodes.map(({ restUrl }) => restUrl)
  }

  node(name: string): PatroniNode {
    const found = this.nodes.find((node) => node.name === name)
    if (found === undefined) {
      const names = this.nodes.map((node) => node.name).join(', ')
      throw new RangeError(`there is no node "${name}"; the nodes are ${names}`)
    }
    return found
  }

  async leader(timeoutMs: number = START_TIMEOUT_MS): Promise<PatroniNode> {
    return await this.#until('a primary', timeoutMs, () => this.#findLeader())
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
    return await this.#until('the new primary', SWITCHOVER_TIMEOUT_MS, async () => {
      const found = await this.#findLeader()
      return found === leader ? undefined : found
    })
  }

  freezeDcs(): void {
    this.#etcd.signal('SIGSTOP')
  }

  thawDcs(): void {
    this.#etcd.signal('SIGCONT')
  }

  async healthy(timeoutMs: number = START_TIMEOUT_MS): Promise<void> {
    await this.#until('a primary with all its replicas', timeoutMs, async () => {
      const leader = await this.#findLeader()
      if (leader === undefined) return undefined
      const streaming = await leader
        .sql("select from pg_stat_replication where state = 'streaming'")
        .catch(() => [])
      if (streaming.length !== this.nodes.length - 1) return undefined
      return !this.#synchronous || (await this.#hasSynchronousStandby(leader)) ? true : undefined
    })
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
  async #hasSynchronousStandby({ restUrl }: PatroniNode): Promise<boolean> {
    const response = await fetch(`${restUrl}/cluster`).catch(() => undefined)
    const { members = [] } = ((await response?.json()) ?? {}) as { members?: { role: string }[] }
    return members.some(({ role }) => role === 'sync_standby') || this.nodes.length === 1
  }

  async #findLeader(): Promise<PatroniNode | undefined> {
    const claims = await Promise.all(
      this.nodes.map(async (node) => {
        const rows = await node
          .sql<{ timeline: string }>(
            "select case when pg_is_in_recovery() then '' else substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) end as timeline",
          )
          .catch(() => [])
        return { node, timeline: rows[0]?.timeline ?? '' }
      }),
    )
    const [highest] = claims.sort((a, b) => b.timeline.localeCompare(a.timeline))
    return highest?.timeline ? highest.node : undefined
  }

  async #until<T>(what: string, timeoutMs: number, look: () => Promise<T | undefined>): Promise<T> {
    const deadline = performance.now() + timeoutMs
    for (;;) {
      const found = await look()
      if (found !== undefined) return found
      if (performance.now() > deadline) {
        const logs = await Promise.all(
          this.nodes.map(async (node) => `── ${node.name}\n${await node.logTail()}`),
        )
        throw new Error(
          `Patroni: no ${what} within ${timeoutMs} ms; etcd:\n${await this.#etcd.logTail()}\n${logs.join('\n')}`,
        )
      }
      await sleep(POLL_MS)
    }
  }
}
