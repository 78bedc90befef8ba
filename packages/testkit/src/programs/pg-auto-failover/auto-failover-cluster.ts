import { join } from 'node:path'
import { findFreePorts } from '../../machine/free-port.js'
import { findServerUser } from '../../machine/server-user.js'
import { createTemporaryDirectory } from '../../machine/temporary-directory.js'
import { LOOPBACK_NETWORK, layNetwork } from '../managed/cluster-network.js'
import { type ManagedCluster, RunningCluster } from '../managed/managed-cluster.js'
import { PgAutoFailoverNode } from './auto-failover-node.js'
import {
  type PgAutoFailoverClusterOptions,
  readAutoFailoverOptions,
} from './auto-failover-options.js'
import { autoFailoverPrograms } from './auto-failover-programs.js'

const START_TIMEOUT_MS = 90_000
const CHANGE_TIMEOUT_MS = 60_000

// What the monitor waits for, in milliseconds.
const QUICK = {
  health_check_period: 1_000,
  health_check_timeout: 1_000,
  health_check_retry_delay: 500,
  node_considered_unhealthy_timeout: 3_000,
  primary_demote_timeout: 2_000,
  startup_grace_period: 1_000,
}

/**
 * A running pg_auto_failover formation: a monitor, and a keeper with its PostgreSQL 15 for each
 * node.
 */
export interface PgAutoFailoverCluster extends ManagedCluster<PgAutoFailoverNode> {
  /** Connection URL of the monitor, for `pgAutoFailover({ monitor })`. */
  readonly monitor: string
  /**
   * Takes a node out for maintenance; a primary is moved elsewhere first.
   *
   * @example
   * await using cluster = await startPgAutoFailover()
   * await cluster.startMaintenance('b')
   * await cluster.stopMaintenance('b')
   */
  startMaintenance(name: string): Promise<void>
  /**
   * Ends `startMaintenance`; resolves when the node follows the primary again.
   *
   * @example
   * await using cluster = await startPgAutoFailover()
   * await cluster.startMaintenance('b')
   * await cluster.stopMaintenance('b')
   */
  stopMaintenance(name: string): Promise<void>
  /**
   * Stops the monitor in mid-air: nothing is decided meanwhile.
   *
   * @example
   * await using cluster = await startPgAutoFailover()
   * cluster.freezeMonitor()
   */
  freezeMonitor(): void
  /**
   * Ends `freezeMonitor`.
   *
   * @example
   * await using cluster = await startPgAutoFailover()
   * cluster.freezeMonitor()
   * await cluster.thawMonitor()
   */
  thawMonitor(): Promise<void>
}

/**
 * Starts a real pg_auto_failover formation from Debian packages that are unpacked and not
 * installed; resolves when it has a primary and all its replicas stream, after some 20 s. A commit
 * waits for one replica. Root's servers run as `nobody`.
 *
 * Throws when a package cannot be had, and with the ends of the logs when the cluster does not come
 * up.
 *
 * @example
 * await using cluster = await startPgAutoFailover()
 * const discover = pgAutoFailover({ monitor: cluster.monitor })
 * const db = withFailover({ discover, pool: nodePool })
 */
export async function startPgAutoFailover(
  options: PgAutoFailoverClusterOptions = {},
): Promise<PgAutoFailoverCluster> {
  const { nodes: count, patience, network: kind } = readAutoFailoverOptions(options)
  const programs = await autoFailoverPrograms()
  const network = kind === 'namespaces' ? await layNetwork('startPgAutoFailover') : LOOPBACK_NETWORK
  const { center, subnet } = network
  const user = findServerUser()
  const home = await createTemporaryDirectory(user)
  const [monitorPort, ...ports] = await findFreePorts(1 + count)
  const monitor = new PgAutoFailoverNode(
    {
      name: 'monitor',
      home: join(home, 'monitor'),
      host: center,
      port: monitorPort!,
      user,
      cable: undefined,
      database: 'pg_auto_failover',
    },
    { kind: 'monitor', isFirst: true, subnet },
    programs,
  )
  const tls = kind === 'namespaces' ? '?sslmode=disable' : ''
  const url = `postgres://autoctl_node@${center}:${monitorPort}/pg_auto_failover${tls}`
  const nodes: PgAutoFailoverNode[] = []
  for (const [index, port] of ports.entries()) {
    const name = String.fromCharCode('a'.charCodeAt(0) + index)
    const place = { name, home: join(home, name), port, user, ...(await network.join(index)) }
    const role = { kind: 'postgres', monitor: url, isFirst: index === 0, subnet } as const
    nodes.push(new PgAutoFailoverNode(place, role, programs))
  }
  const cluster = new RunningAutoFailover(home, monitor, url, nodes)
  try {
    await cluster.begin(patience === 'quick' ? QUICK : {})
    return cluster
  } catch (error) {
    await cluster.stop()
    throw error
  }
}

class RunningAutoFailover
  extends RunningCluster<PgAutoFailoverNode>
  implements PgAutoFailoverCluster
{
  readonly monitor: string
  readonly #monitor: PgAutoFailoverNode

  constructor(
    home: string,
    monitor: PgAutoFailoverNode,
    url: string,
    nodes: readonly PgAutoFailoverNode[],
  ) {
    super(home, nodes)
    this.monitor = url
    this.#monitor = monitor
  }

  /** Starts the monitor, then the nodes. */
  async begin(settings: Readonly<Record<string, number>>): Promise<void> {
    const [first, ...others] = this.nodes
    await this.#monitor.start()
    await this.until('monitor', START_TIMEOUT_MS, async () => {
      const states = await this.#states().catch(() => undefined)
      return states && true
    })
    for (const [name, value] of Object.entries(settings)) {
      await this.#monitor.sql(`alter system set pgautofailover.${name} = ${value}`)
    }
    await this.#monitor.sql('select pg_reload_conf()')
    await first!.start()
    await this.leader(START_TIMEOUT_MS)
    for (const node of others) await node.start()
    await this.healthy(START_TIMEOUT_MS)
  }

  async switchover(to?: string): Promise<PgAutoFailoverNode> {
    const leader = await this.leader()
    if (to === undefined) await this.#ask("pgautofailover.perform_failover('default', 0)")
    else await this.#ask("pgautofailover.perform_promotion('default', $1)", [this.node(to).name])
    return await this.until('new primary', CHANGE_TIMEOUT_MS, async () => {
      const found = await this.findLeader()
      return found === leader ? undefined : found
    })
  }

  async startMaintenance(name: string): Promise<void> {
    await this.#maintain('start', name)
    await this.#untilState(name, 'maintenance')
  }

  async stopMaintenance(name: string): Promise<void> {
    await this.#maintain('stop', name)
    await this.#untilState(name, 'secondary')
  }

  freezeMonitor(): void {
    this.#monitor.freeze()
  }

  async thawMonitor(): Promise<void> {
    await this.#monitor.thaw()
  }

  protected override async end(): Promise<void> {
    await Promise.all([this.#monitor, ...this.nodes].map((node) => node.stop()))
  }

  protected override async isSettled(): Promise<boolean> {
    const states = await this.#states().catch(() => [])
    return (
      states.length === this.nodes.length &&
      states.every(({ reported, goal }) => reported === goal && /^(primary|secondary)$/.test(goal))
    )
  }

  protected override async logTail(): Promise<string> {
    const states = await this.#states().catch(() => [])
    return `monitor: ${JSON.stringify(states)}\n${await this.#monitor.logTail()}`
  }

  async #maintain(what: 'start' | 'stop', name: string): Promise<void> {
    const { name: checked } = this.node(name)
    await this.#ask(
      `pgautofailover.${what}_maintenance((select nodeid from pgautofailover.node where nodename = $1))`,
      [checked],
    )
  }

  async #untilState(name: string, state: string): Promise<void> {
    await this.until(`state ${state} of ${name}`, CHANGE_TIMEOUT_MS, async () => {
      const found = (await this.#states()).find((one) => one.name === name)
      return found?.reported === state && found.goal === state ? true : undefined
    })
  }

  #states(): Promise<{ name: string; reported: string; goal: string }[]> {
    return this.#monitor.sql(
      `select nodename as name, reportedstate::text as reported, goalstate::text as goal
       from pgautofailover.node order by nodename`,
    )
  }

  async #ask(call: string, values: readonly unknown[] = []): Promise<void> {
    await this.#monitor.sql(`select ${call}`, values)
  }
}
