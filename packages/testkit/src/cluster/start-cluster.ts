import { join } from 'node:path'
import { findFreePorts } from '../machine/free-port.js'
import { findServerUser } from '../machine/server-user.js'
import {
  createTemporaryDirectory,
  removeTemporaryDirectory,
} from '../machine/temporary-directory.js'
import { findBinaries } from './binaries.js'
import { createCertificates } from './certificates.js'
import type { Cluster } from './cluster.js'
import {
  type ClusterOptions,
  type ResolvedClusterOptions,
  resolveClusterOptions,
} from './cluster-options.js'
import {
  copyDataDirectory,
  createHome,
  initialiseDataDirectory,
  writeCertificates,
} from './data-directory.js'
import { ServerCluster } from './server-cluster.js'
import { ServerNode } from './server-node.js'
import type { ServerPlace } from './server-process.js'
import { copySharedDataDirectory } from './shared-files.js'

/** How often to try other ports when another process was faster. */
const PORT_ATTEMPTS = 5

/**
 * Starts a PostgreSQL cluster on 127.0.0.1, on free ports and with its data in a temporary
 * directory; resolves when every replica streams. It goes when `stop` is called, at the end of an
 * `await using` block, and in any case when this process ends. It never keeps the process alive.
 *
 * Throws a `TypeError` or `RangeError` for bad options, and an error with the end of the server's
 * log when a node does not start.
 *
 * @example
 * await using cluster = await startCluster({ replicas: 2, synchronous: true })
 * await cluster.primary.kill()
 * const primary = await cluster.failover()
 * await cluster.nodes[0]?.rejoinAs(primary)
 */
export async function startCluster(options?: ClusterOptions): Promise<Cluster> {
  const resolved = resolveClusterOptions(options)
  const user = findServerUser()
  const binaries = await findBinaries(resolved.binaries, user)
  const directory = await createTemporaryDirectory(user)
  const places = Array.from({ length: resolved.replicas + 1 }, (_, index): ServerPlace => {
    const name = String.fromCharCode('a'.charCodeAt(0) + index)
    return { name, binaries, user, home: join(directory, name) }
  })
  try {
    const [ca] = await allSettledOrError([
      installCertificates(resolved, directory, user),
      createDataDirectories(places, resolved),
    ])
    return new ServerCluster(directory, resolved, await startNodes(places, resolved), ca)
  } catch (error) {
    await removeTemporaryDirectory(directory)
    throw error
  }
}

async function installCertificates(
  options: ResolvedClusterOptions,
  directory: string,
  user: ServerPlace['user'],
): Promise<string | undefined> {
  if (!options.tls) return undefined
  const times = typeof options.tls === 'object' ? options.tls : {}
  const certificates = await createCertificates(times)
  await writeCertificates(directory, certificates, user)
  return certificates.ca
}

async function createDataDirectories(
  [first, ...others]: readonly ServerPlace[],
  options: ResolvedClusterOptions,
): Promise<void> {
  if (first === undefined) return
  await Promise.all([first, ...others].map(createHome))
  const copied = await copySharedDataDirectory(first, options)
  if (!copied) await initialiseDataDirectory(first, options)
  await allSettledOrError(others.map((place) => copyDataDirectory(first, place)))
}

async function startNodes(
  places: readonly ServerPlace[],
  options: ResolvedClusterOptions,
): Promise<ServerNode[]> {
  for (let attempt = 1; ; attempt += 1) {
    const ports = await findFreePorts(places.length)
    const nodes: ServerNode[] = places.map(
      (place, index) => new ServerNode(place, ports[index]!, { options, nodes: () => nodes }),
    )
    try {
      await startTogether(nodes)
      return nodes
    } catch (error) {
      await Promise.all(nodes.map((node) => node.kill()))
      const portTaken = error instanceof Error && /Address already in use/i.test(error.message)
      if (!portTaken || attempt === PORT_ATTEMPTS) throw error
    }
  }
}

async function startTogether([primary, ...replicas]: readonly ServerNode[]): Promise<void> {
  if (primary === undefined) return
  await primary.configure(undefined)
  await Promise.all(replicas.map((replica) => replica.configure(primary.port)))
  await allSettledOrError([primary, ...replicas].map((node) => node.start()))
  await allSettledOrError(replicas.map((replica) => replica.untilStreamingFrom(primary)))
}

/** `Promise.all` that rejects only after every promise has settled: nothing goes on behind it. */
async function allSettledOrError<T extends readonly unknown[] | []>(
  promises: T,
): Promise<{ -readonly [K in keyof T]: Awaited<T[K]> }> {
  await Promise.allSettled(promises)
  return await Promise.all(promises)
}
