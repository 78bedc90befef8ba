import { chmod } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { findFreePorts } from '../../machine/free-port.js'
import { findServerUser } from '../../machine/server-user.js'
import { createTemporaryDirectory, writeFileFor } from '../../machine/temporary-directory.js'
import { libraryPath } from '../debian/debian-package.js'
import { debianTree } from '../debian/debian-tree.js'
import { POSTGRES_15, postgres15Bin } from '../debian/postgres-15.js'
import { LOOPBACK_NETWORK, layNetwork } from '../managed/cluster-network.js'
import { type ManagedCluster, RunningCluster } from '../managed/managed-cluster.js'
import { RepmgrNode } from './repmgr-node.js'
import { type RepmgrOptions, readRepmgrOptions } from './repmgr-options.js'

const SWITCHED_MS = 60_000
const SYNCHRONOUS = "alter system set synchronous_standby_names = 'ANY 1 (*)'"

// repmgr runs commands on other nodes through ssh. All nodes are on this machine.
const SSH = `#!/bin/sh
while :; do
  case "$1" in
    -o) shift 2 ;;
    -*) shift ;;
    *) break ;;
  esac
done
shift
exec /bin/sh -c "$*"
`

/** A running repmgr cluster: PostgreSQL 15 and a `repmgrd` for each node. */
export interface RepmgrCluster extends ManagedCluster<RepmgrNode> {
  /**
   * Takes a node out for maintenance: its `repmgrd` and its server are stopped in an orderly way. A
   * primary is moved elsewhere first, by `repmgr standby switchover`.
   *
   * @example
   * await using cluster = await startRepmgr()
   * await cluster.startMaintenance('b')
   */
  startMaintenance(name: string): Promise<void>
  /**
   * Ends `startMaintenance`; resolves when every node streams from the primary again.
   *
   * @example
   * await using cluster = await startRepmgr()
   * await cluster.startMaintenance('b')
   * await cluster.stopMaintenance('b')
   */
  stopMaintenance(name: string): Promise<void>
}

/**
 * Starts a real repmgr cluster from Debian packages that are unpacked and not installed; resolves
 * when it has a primary and all its replicas stream, after some 10 s. A commit waits for one
 * replica. Root's servers run as `nobody`. Where repmgr wants to run something on another node over
 * ssh, it runs here.
 *
 * Throws when a package cannot be had, and with the ends of the logs when the cluster does not come
 * up.
 *
 * @example
 * await using cluster = await startRepmgr()
 * await cluster.switchover('b')
 */
export async function startRepmgr(options: RepmgrOptions = {}): Promise<RepmgrCluster> {
  const { nodes: count, patience, network: kind } = readRepmgrOptions(options)
  const root = await debianTree(['repmgr', 'repmgr-common', 'postgresql-15-repmgr', ...POSTGRES_15])
  const network = kind === 'namespaces' ? await layNetwork('startRepmgr') : LOOPBACK_NETWORK
  const user = findServerUser()
  const home = await createTemporaryDirectory(user)
  await writeFileFor(user, join(home, 'ssh'), SSH)
  await chmod(join(home, 'ssh'), 0o755)
  const postgresBin = postgres15Bin(root)
  const env = {
    LD_LIBRARY_PATH: await libraryPath(root),
    PATH: [home, postgresBin, '/usr/bin', '/bin'].join(delimiter),
    HOME: home,
  }
  const nodes: RepmgrNode[] = []
  for (const [index, port] of (await findFreePorts(count)).entries()) {
    const name = String.fromCharCode('a'.charCodeAt(0) + index)
    const place = { name, home: join(home, name), port, user, ...(await network.join(index)) }
    const { subnet } = network
    const config = { ...place, id: index + 1, subnet, postgresBin, quick: patience === 'quick' }
    nodes.push(new RepmgrNode(place, config, env, () => cluster.primary()))
  }
  const cluster = new RunningRepmgr(home, nodes)
  try {
    for (const node of nodes) await node.start()
    for (const node of nodes) {
      await node.sql(SYNCHRONOUS)
      await node.sql('select pg_reload_conf()')
    }
    await cluster.healthy()
    return cluster
  } catch (error) {
    await cluster.stop()
    throw error
  }
}

class RunningRepmgr extends RunningCluster<RepmgrNode> implements RepmgrCluster {
  /** The primary that there is now. */
  primary(): Promise<RepmgrNode | undefined> {
    return this.findLeader()
  }

  async switchover(to?: string): Promise<RepmgrNode> {
    const leader = await this.leader()
    const next = to === undefined ? this.nodes.find((node) => node !== leader)! : this.node(to)
    await next.switchover()
    return next
  }

  async startMaintenance(name: string): Promise<void> {
    const node = this.node(name)
    if (await node.isPrimary()) {
      const next = await this.switchover()
      await this.until(`${next.name} as the primary that all follow`, SWITCHED_MS, async () =>
        (await this.isSettled(next)) ? true : undefined,
      )
    }
    // A standby that has replayed no checkpoint since the last promotion stops with the former
    // timeline in its control file, and pg_rewind fails when it comes back.
    const primary = await this.leader()
    await primary.sql('checkpoint')
    const [end] = await primary.sql<{ lsn: string }>('select pg_current_wal_lsn()::text as lsn')
    const replayed = 'select pg_last_wal_replay_lsn() >= $1::pg_lsn as is'
    await this.until(`${name} to have replayed a checkpoint`, SWITCHED_MS, async () => {
      const [row] = await node.sql<{ is: boolean }>(replayed, [end!.lsn])
      return row!.is ? true : undefined
    })
    await node.shutDown()
  }

  async stopMaintenance(name: string): Promise<void> {
    await this.node(name).start()
    await this.healthy()
  }

  protected override async end(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.stop()))
  }

  /** Whether the table of the nodes says what they are, so that another switchover may begin. */
  protected override async isSettled(leader: RepmgrNode): Promise<boolean> {
    const rows = await leader
      .sql<{ name: string; type: string }>(
        'select node_name as name, type from repmgr.nodes where active',
      )
      .catch(() => [])
    return (
      rows.length === this.nodes.length &&
      rows.every(({ name, type }) => type === (name === leader.name ? 'primary' : 'standby'))
    )
  }

  protected override logTail(): Promise<string> {
    return Promise.resolve('')
  }
}
