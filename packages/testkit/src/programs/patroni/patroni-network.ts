import { mkdir } from 'node:fs/promises'
import { networkInterfaces, tmpdir } from 'node:os'
import { runCommand } from '../../machine/run-command.js'

const BRIDGE = 'poolhouse0'
const NET = '10.213.0'
const NAMES = '/run/netns'

/** Where one process listens, and what it is run in. */
export interface Place {
  /** Its address. */
  readonly host: string
  /** Name of its network namespace; undefined for the one of this process. */
  readonly namespace?: string | undefined
}

/**
 * A network of its own for each node, joined by a bridge, so that one of them can be cut off from
 * all others and from this process: what is sent then vanishes, as if its cable had been pulled.
 * It lives in the network namespace of this process, and goes with it.
 */
export class PatroniNetwork {
  /** Where etcd listens: beside this process. */
  readonly dcs: Place = { host: `${NET}.1` }
  /** The addresses of all. */
  readonly subnet: string = `${NET}.0/24`

  private constructor() {}

  /**
   * Lays it. Rejects in the network of the machine itself, where it would be in everybody's way,
   * and without the rights.
   */
  static async lay(): Promise<PatroniNetwork> {
    if (Object.keys(networkInterfaces()).some((name) => name !== 'lo')) {
      throw new Error(
        'startPatroni: network "namespaces" wants namespaces of its own: unshare --net --mount node …',
      )
    }
    // `ip netns` keeps its names in files, which would outlive us.
    await mkdir(NAMES, { recursive: true })
    await run('mount', ['-t', 'tmpfs', 'poolhouse', NAMES])
    await ip('link set lo up')
    await ip(`link add ${BRIDGE} type bridge`)
    await ip(`addr add ${NET}.1/24 dev ${BRIDGE}`)
    await ip(`link set ${BRIDGE} up`)
    return new PatroniNetwork()
  }

  /** Gives the next node its place; nodes are counted from 0. */
  async join(index: number): Promise<Place> {
    const namespace = portOf(index)
    const host = `${NET}.${index + 2}`
    await ip(`netns add ${namespace}`)
    await ip(`link add ${namespace} type veth peer name eth0 netns ${namespace}`)
    await ip(`-n ${namespace} addr add ${host}/24 dev eth0`)
    await ip(`-n ${namespace} link set eth0 up`)
    await ip(`-n ${namespace} link set lo up`)
    await ip(`link set ${namespace} master ${BRIDGE} up`)
    return { host, namespace }
  }

  /** Cuts a node off. */
  async cut(index: number): Promise<void> {
    await ip(`link set ${portOf(index)} nomaster`)
  }

  /** Ends `cut`. */
  async heal(index: number): Promise<void> {
    await ip(`link set ${portOf(index)} master ${BRIDGE}`)
  }
}

/** The program and arguments that run another program in a namespace, as this user. */
export function inNamespace(
  namespace: string,
  user: { readonly uid: number; readonly gid: number } | undefined,
  file: string,
  args: readonly string[],
): { readonly file: string; readonly args: readonly string[] } {
  const as = user === undefined ? [] : [`--setuid=${user.uid}`, `--setgid=${user.gid}`]
  return { file: 'nsenter', args: [`--net=${NAMES}/${namespace}`, ...as, '--', file, ...args] }
}

function portOf(index: number): string {
  return `poolhouse-${String.fromCharCode('a'.charCodeAt(0) + index)}`
}

async function ip(command: string): Promise<void> {
  await run('ip', command.split(' '))
}

async function run(file: string, args: readonly string[]): Promise<void> {
  await runCommand(file, args, { cwd: tmpdir(), user: undefined })
}
