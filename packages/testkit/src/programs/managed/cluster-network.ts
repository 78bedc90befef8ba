import { mkdir } from 'node:fs/promises'
import { networkInterfaces, tmpdir } from 'node:os'
import { runCommand } from '../../machine/run-command.js'
import type { ServerUser } from '../../machine/server-user.js'

const BRIDGE = 'poolhouse0'
const NET = '10.213.0'
const NAMES = '/run/netns'
const LOOPBACK = '127.0.0.1'

/** What joins a node to the others, where it can be cut. */
export interface Cable {
  /** Name of the node's network namespace. */
  readonly namespace: string
  /** Nothing comes through any more. */
  cut(): Promise<void>
  /** Ends `cut`. */
  heal(): Promise<void>
}

/** Where the processes of a cluster listen. */
export interface ClusterNetwork {
  /** Address of what all nodes ask: a store, a monitor. */
  readonly center: string
  /** The addresses of all, as in `pg_hba.conf`. */
  readonly subnet: string
  /** The address of the next node, counted from 0, and its cable if it has one. */
  join(index: number): Promise<{ readonly host: string; readonly cable: Cable | undefined }>
}

/** Everything on 127.0.0.1; nothing can be cut. */
export const LOOPBACK_NETWORK: ClusterNetwork = {
  center: LOOPBACK,
  subnet: `${LOOPBACK}/32`,
  join: () => Promise.resolve({ host: LOOPBACK, cable: undefined }),
}

/**
 * Lays a network of its own for each node, joined by a bridge, so that one of them can be cut off
 * from all others and from this process: what is sent then vanishes, as if its cable had been
 * pulled. It lives in the network namespace of this process, and goes with it.
 *
 * Rejects in the network of the machine itself, where it would be in everybody's way, and without
 * the rights. `where` is who asks, for the message.
 */
export async function layNetwork(where: string): Promise<ClusterNetwork> {
  if (Object.keys(networkInterfaces()).some((name) => name !== 'lo')) {
    throw new Error(
      `${where}: network "namespaces" wants namespaces of its own: unshare --net --mount node …`,
    )
  }
  // `ip netns` keeps its names in files, which would outlive us.
  await mkdir(NAMES, { recursive: true })
  await run('mount', ['-t', 'tmpfs', 'poolhouse', NAMES])
  await ip('link set lo up')
  await ip(`link add ${BRIDGE} type bridge`)
  await ip(`addr add ${NET}.1/24 dev ${BRIDGE}`)
  await ip(`link set ${BRIDGE} up`)
  return { center: `${NET}.1`, subnet: `${NET}.0/24`, join }
}

async function join(index: number): Promise<{ host: string; cable: Cable }> {
  const namespace = `poolhouse-${String.fromCharCode('a'.charCodeAt(0) + index)}`
  const host = `${NET}.${index + 2}`
  await ip(`netns add ${namespace}`)
  await ip(`link add ${namespace} type veth peer name eth0 netns ${namespace}`)
  await ip(`-n ${namespace} addr add ${host}/24 dev eth0`)
  await ip(`-n ${namespace} link set eth0 up`)
  await ip(`-n ${namespace} link set lo up`)
  await ip(`link set ${namespace} master ${BRIDGE} up`)
  const cable: Cable = {
    namespace,
    cut: () => ip(`link set ${namespace} nomaster`),
    heal: () => ip(`link set ${namespace} master ${BRIDGE}`),
  }
  return { host, cable }
}

/** How to run a program as a user, in the network of a node. */
export interface HowToRun {
  /** The program. */
  readonly file: string
  /** Its arguments. */
  readonly args: readonly string[]
  /** Who runs it: of a namespace, which only root may enter, the program changes its user there. */
  readonly user: ServerUser | undefined
}

/** Runs a program in the network that the cable leads to; without one, in that of this process. */
export function inNetworkOf(
  cable: Cable | undefined,
  user: ServerUser | undefined,
  file: string,
  args: readonly string[],
): HowToRun {
  if (cable === undefined) return { file, args, user }
  const as = user === undefined ? [] : [`--setuid=${user.uid}`, `--setgid=${user.gid}`]
  const inside = [`--net=${NAMES}/${cable.namespace}`, ...as, '--', file, ...args]
  return { file: 'nsenter', args: inside, user: undefined }
}

async function ip(command: string): Promise<void> {
  await run('ip', command.split(' '))
}

async function run(file: string, args: readonly string[]): Promise<void> {
  await runCommand(file, args, { cwd: tmpdir(), user: undefined })
}
