import type { Driver } from '@poolhouse/core'
import { type Cluster, startCluster } from '@poolhouse/testkit'
import { type ServerUnderTest, startServerUnderTest } from '@poolhouse/testkit/conformance'
import type { Field, Ground } from './ground.js'
import { type PostgresVersion, postgresBinaries } from './programs.js'

/** A primary with a replica, and the primary as the suites see it. */
export interface Servers extends AsyncDisposable {
  readonly cluster: Cluster
  readonly server: ServerUnderTest
  /** `{ PostgreSQL: '18.4' }` */
  readonly versions: Readonly<Record<string, string>>
}

/** Starts a primary with a replica, both with passwords. */
export async function startServers(version: PostgresVersion = 18): Promise<Servers> {
  const binaries = await postgresBinaries(version)
  const cluster = await startCluster({ replicas: 1, auth: 'scram-sha-256', binaries })
  const whole = await startServerUnderTest(() => cluster)
  const [row] = await cluster.primary.sql<{ server_version: string }>('show server_version')
  return {
    cluster,
    // The suites need no replica here, and would wait for it.
    server: { ...whole, replica: undefined },
    versions: { PostgreSQL: row!.server_version, 'Node.js': process.versions.node },
    async [Symbol.asyncDispose]() {
      await whole[Symbol.asyncDispose]()
      await cluster.stop()
    },
  }
}

/** PostgreSQL alone. */
export async function startPostgres(version: PostgresVersion): Promise<Ground> {
  const servers = await startServers(version)
  const { cluster, server, versions } = servers
  return {
    versions,
    url: cluster.primary.url,
    options: {},
    server,
    replicaUrl: cluster.replicas[0]!.url,
    field: () => startField(version, async ({ nodes }) => ({ urls: nodes.map(({ url }) => url) })),
    [Symbol.asyncDispose]: () => servers[Symbol.asyncDispose](),
  }
}

/** What stands before the servers of an outage. */
export interface Before {
  readonly urls: readonly string[]
  /** Programs to end. */
  readonly programs?: readonly AsyncDisposable[]
  /** What has to be told that another server is the primary. */
  promoted?(): Promise<void>
}

/**
 * A primary with two replicas, one of which confirms each commit, and what stands before them. It
 * fails by a kill of the primary and the promotion of the replica that has most.
 */
export async function startField(
  version: PostgresVersion,
  before: (cluster: Cluster) => Promise<Before>,
): Promise<Field> {
  const binaries = await postgresBinaries(version)
  const cluster = await startCluster({
    replicas: 2,
    synchronous: true,
    auth: 'scram-sha-256',
    binaries,
  })
  try {
    const { urls, programs = [], promoted } = await before(cluster)
    return {
      urls,
      async fail() {
        await cluster.primary.kill()
        await cluster.failover()
        await promoted?.()
      },
      async [Symbol.asyncDispose]() {
        for (const program of programs) await program[Symbol.asyncDispose]()
        await cluster.stop()
      },
    }
  } catch (error) {
    await cluster.stop()
    throw error
  }
}

/** Makes a driver; each run of a check has its own. */
export type MakeDriver = () => Driver
