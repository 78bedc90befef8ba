import { dirname } from 'node:path'
import type { Cluster, ClusterOptions } from '@poolhouse/testkit'
import { DRIVERS, type NamedDriver } from './drivers.js'
import { sharedCluster } from './servers/shared-cluster.js'

/** A driver together with a real server of one major version. */
export interface DriverAndServer extends NamedDriver {
  /** Major version of the server: the oldest that Poolhouse supports, or the newest. */
  readonly version: 14 | 18
  /** The server; the first call starts it. It is stopped after the last test of the file. */
  readonly cluster: () => Promise<Cluster>
}

/**
 * Every driver with the oldest and the newest server, for
 * `describe.each(everyServer())('… over $driver on PostgreSQL $version', …)`. The file has one
 * server of each version. `options` are those of the clusters; default: a primary alone, with
 * SCRAM.
 */
export function everyServer(options: ClusterOptions = {}): readonly DriverAndServer[] {
  const asked: ClusterOptions = { replicas: 0, auth: 'scram-sha-256', ...options }
  const newest = sharedCluster(asked)
  const oldest = sharedCluster(async () => ({ ...asked, binaries: await oldestBinaries() }))
  return DRIVERS.flatMap((driver) => [
    { ...driver, version: 18 as const, cluster: newest },
    { ...driver, version: 14 as const, cluster: oldest },
  ])
}

/** The folder with `postgres` and `initdb` of the oldest major version that Poolhouse supports. */
export async function oldestBinaries(): Promise<string> {
  const { POOLHOUSE_TEST_OLDEST_PG_BIN } = process.env
  if (POOLHOUSE_TEST_OLDEST_PG_BIN !== undefined) return POOLHOUSE_TEST_OLDEST_PG_BIN
  const name = 'postgres-14-linux-x64'
  try {
    const { postgres } = (await import(name)) as { postgres: string }
    return dirname(dirname(postgres))
  } catch (cause) {
    throw new Error(
      `the optional package ${name} is missing: install it, or set POOLHOUSE_TEST_OLDEST_PG_BIN to a folder with postgres and initdb of version 14`,
      { cause },
    )
  }
}
