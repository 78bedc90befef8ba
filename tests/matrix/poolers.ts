import {
  type PgBouncerPoolMode,
  type Pgpool,
  startPgBouncer,
  startPgpool,
} from '@poolhouse/testkit'
import { addressOf, type CornerOptions, type Ground } from './ground.js'
import { startField, startServers } from './servers.js'

/** Enough for the suites: a client that waits in the pooler would look slow. */
const SERVER_CONNECTIONS = 20

/** One PgBouncer before each server. */
export async function startBounced(
  poolMode: PgBouncerPoolMode,
  options: CornerOptions,
): Promise<Ground> {
  const servers = await startServers()
  const { cluster, server, versions } = servers
  const start = (target: string, settings: Record<string, string> = {}) =>
    startPgBouncer({
      target,
      poolMode,
      poolSize: SERVER_CONNECTIONS,
      auth: 'scram-sha-256',
      settings,
    })
  const front = await start(cluster.primary.url)
  const behind = await start(cluster.replicas[0]!.url)
  const ignoring = await start(cluster.primary.url, { ignore_startup_parameters: 'options' })
  const [row] = await front.admin<{ version: string }>('SHOW VERSION')
  return {
    versions: { PgBouncer: row!.version.replace(/^PgBouncer /, ''), ...versions },
    url: front.url,
    options,
    server: { ...server, ...addressOf(front.url) },
    noTransactions: poolMode === 'statement',
    startUps: { 'with ignore_startup_parameters = options': ignoring.url },
    replicaUrl: behind.url,
    field: () =>
      startField(18, async ({ nodes }) => {
        const programs = []
        // As its guide says: what waits inside PgBouncer cannot be called back.
        const settings = { query_wait_timeout: '3' }
        for (const { url } of nodes) programs.push(await start(url, settings))
        return { urls: programs.map(({ url }) => url), programs }
      }),
    async [Symbol.asyncDispose]() {
      for (const program of [front, behind, ignoring]) await program.stop()
      await servers[Symbol.asyncDispose]()
    },
  }
}

/** One Pgpool-II before all servers. */
export async function startPgpooled(loadBalance: boolean, options: CornerOptions): Promise<Ground> {
  const servers = await startServers()
  const { cluster, server, versions } = servers
  const start = (nodes: readonly { readonly url: string }[]): Promise<Pgpool> =>
    startPgpool({
      targets: nodes.map(({ url }) => url),
      loadBalance,
      clients: 2 * SERVER_CONNECTIONS,
      settings: { failover_on_backend_error: 'on', failover_on_backend_shutdown: 'on' },
    })
  const front = await start(cluster.nodes)
  const version = /pgpool-II version ([\d.]+)/.exec(await front.logTail())?.[1] ?? '4.3'
  return {
    versions: { 'Pgpool-II': version, ...versions },
    url: front.url,
    options,
    server: { ...server, ...addressOf(front.url) },
    replicaUrl: cluster.replicas[0]!.url,
    field: () =>
      startField(18, async ({ nodes }) => {
        const program = await start(nodes)
        return { urls: [program.url], programs: [program] }
      }),
    async [Symbol.asyncDispose]() {
      await front.stop()
      await servers[Symbol.asyncDispose]()
    },
  }
}
