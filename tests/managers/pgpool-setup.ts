import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  type Cluster,
  type ClusterNode,
  historyTable,
  type Pgpool,
  startCluster,
  startPgpool,
} from '@poolhouse/testkit'
import { onTestFinished } from 'vitest'

/** A cluster, and the Pgpool-II that watches it. */
export interface Watched {
  readonly cluster: Cluster
  readonly pgpool: Pgpool
  /** The arguments of a PCP command that name a node. */
  numberOf(node: ClusterNode): readonly ['-n', string]
  /** Gives a node back to Pgpool-II. */
  attach(node: ClusterNode): Promise<void>
}

const ATTACH_MS = 20_000

/**
 * Starts a cluster whose failed primary Pgpool-II notices by its health checks. Its
 * `failover_command` says which server is to be the primary; what it would do over ssh is done
 * here. With `planned` the former primary still runs, and is stopped first and made a replica, and
 * its `follow_primary_command` gives the others back to Pgpool-II when they follow.
 */
export async function startWatched({ planned = false } = {}): Promise<Watched> {
  const folder = mkdtempSync(join(tmpdir(), 'pgpool-'))
  const orders = join(folder, 'orders')
  writeFileSync(orders, '')
  chmodSync(folder, 0o777)
  chmodSync(orders, 0o666)
  const script = join(folder, 'order.sh')
  writeFileSync(script, `echo "$1 $2 $3 $4" >> ${orders}\n`)
  const cluster = await startCluster({ replicas: 2 })
  for (const node of cluster.nodes) {
    // Pgpool-II takes the first standby that is up, whichever has most.
    await node.sql("alter system set synchronous_standby_names = 'FIRST 1 (a, b, c)'")
    await node.sql('select pg_reload_conf()')
  }
  const pgpool = await startPgpool({
    targets: cluster.nodes.map(({ url }) => url),
    settings: {
      health_check_period: 1,
      health_check_timeout: 2,
      health_check_max_retries: 1,
      health_check_retry_delay: 1,
      health_check_user: cluster.user,
      health_check_database: cluster.database,
      // The failed node, the one that was the primary, and the one that is to be.
      failover_command: `/bin/sh ${script} failover %d %P %m`,
      ...(planned && { follow_primary_command: `/bin/sh ${script} follow %d %P %m` }),
    },
  })
  const numberOf = (node: ClusterNode) => ['-n', String(cluster.nodes.indexOf(node))] as const
  const attach = async (node: ClusterNode): Promise<void> => {
    for (const deadline = performance.now() + ATTACH_MS; ; await sleep(200)) {
      try {
        await pgpool.pcp('attach_node', ...numberOf(node))
        return
      } catch (error) {
        // Pgpool-II restarts what answers PCP commands at the end of a failover, which a detached
        // node is too, and one that is under way is lost then.
        const isLost = (error as Error).message.includes('unable to read data from socket')
        if (!isLost || performance.now() > deadline) throw error
      }
    }
  }
  const errors: unknown[] = []
  let moved: Promise<unknown> = Promise.resolve()
  const obey = async (what: string, node: ClusterNode, isPrimary: boolean, next: ClusterNode) => {
    if (what === 'follow') {
      await moved
      await attach(node)
    } else if (isPrimary) {
      moved = planned ? cluster.switchover(next) : next.promote()
      await moved
    }
  }
  let done = 0
  const watching = setInterval(() => {
    const lines = readFileSync(orders, 'utf8').split('\n').slice(0, -1)
    for (const line of lines.slice(done)) {
      const [what, ...numbers] = line.split(' ')
      const [failed, primary, next] = numbers.map((number) => cluster.nodes[Number(number)])
      obey(what!, failed!, failed === primary, next!).catch((error) => errors.push(error))
    }
    done = lines.length
  }, 20)
  onTestFinished(async () => {
    clearInterval(watching)
    await pgpool.stop()
    await cluster.stop()
    rmSync(folder, { recursive: true })
    if (errors.length > 0) throw new AggregateError(errors, 'an order of Pgpool-II failed')
  })
  for (const text of historyTable()) await cluster.primary.sql(text)
  await cluster.primary.sql('grant all on poolhouse_history to app')
  return { cluster, pgpool, numberOf, attach }
}

/** Resolves with the name of a node that was promoted, other than `old`. */
export async function promoted(cluster: Cluster, old: string): Promise<string> {
  for (;;) {
    const next = cluster.nodes.find(({ name, promotedAt }) => name !== old && promotedAt)
    if (next !== undefined) return next.name
    await sleep(20)
  }
}
