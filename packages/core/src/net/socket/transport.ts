import { Socket } from 'node:net'
import type { ConnectionSettings } from '../../settings/connection-settings.js'
import { raceAddresses } from './address-race.js'
import type { ConnectDeadline } from './connect-deadline.js'
import { encrypt, TlsUnsafeError } from './encrypt.js'
import { findAddresses } from './find-addresses.js'
import type { TlsPlan } from './tls-plan.js'

/** A Unix socket. */
export interface UnixTarget {
  /** Its file. */
  readonly path: string
}

/** A TCP address. */
export interface TcpTarget {
  /** Name or address. */
  readonly host: string
  /** TCP port. */
  readonly port: number
}

/** Where a socket goes: a Unix socket or a TCP address. */
export type SocketTarget = UnixTarget | TcpTarget

/** A connection to a server before a word of the protocol was said. */
export interface Transport {
  /** The TCP or Unix socket itself. */
  readonly raw: Socket
  /** What to read and write: the socket itself, or the TLS stream over it. */
  readonly stream: Socket
  /** The very peer, not the name it was found by. */
  readonly peer: SocketTarget
  /** Whether the stream is encrypted. */
  readonly encrypted: boolean
}

const KEEP_ALIVE_MS = 10_000

/** Where the server of a connection listens. */
export function targetOf({
  endpoint,
  hostaddr,
}: Pick<ConnectionSettings, 'endpoint' | 'hostaddr'>): SocketTarget {
  const { host, port } = endpoint
  if (hostaddr !== undefined) return { host: hostaddr, port }
  return host.startsWith('/') ? { path: `${host}/.s.PGSQL.${port}` } : { host, port }
}

/**
 * Connects, trying every address of the host, and encrypts if there is a plan for it. Rejects with
 * the error of the look-up, the sockets or TLS, or with `deadline.reason`; then nothing is left
 * open.
 */
export async function openTransport(
  target: SocketTarget,
  tls: TlsPlan | undefined,
  deadline: ConnectDeadline,
): Promise<Transport> {
  const { raw, peer } = await openSocket(target, deadline)
  deadline.reached = true
  if (tls === undefined) return { raw, stream: raw, peer, encrypted: false }
  try {
    const stream = await encrypt(raw, tls, deadline)
    return { raw, stream: stream ?? raw, peer, encrypted: stream !== undefined }
  } catch (error) {
    if (!tls.optional || deadline.ended || error instanceof TlsUnsafeError) throw error
  }
  // As libpq's `prefer`: another attempt, to the same server, without asking for TLS.
  const { raw: plain } = await openSocket(peer, deadline)
  return { raw: plain, stream: plain, peer, encrypted: false }
}

async function openSocket(
  target: SocketTarget,
  deadline: ConnectDeadline,
): Promise<Pick<Transport, 'raw' | 'peer'>> {
  if ('path' in target) {
    const dial = (path: string): Socket => new Socket().connect({ path })
    return { raw: await raceAddresses([target.path], dial, deadline), peer: target }
  }
  const { host, port } = target
  const addresses = await findAddresses(host, deadline)
  // Not asked of the socket: it would keep its answer, once for every idle connection.
  const dialled = new Map<Socket, string>()
  const dial = (address: string): Socket => {
    const socket = new Socket().connect({ host: address, port })
    dialled.set(socket, address)
    return socket
  }
  const raw = await raceAddresses(addresses, dial, deadline)
  raw.setNoDelay(true)
  raw.setKeepAlive(true, KEEP_ALIVE_MS)
  return { raw, peer: { host: dialled.get(raw)!, port } }
}

/**
 * Breaks a connection now, with a reset where it has one, so that the server notices at once. Never
 * throws.
 */
export function breakTransport({ raw, stream }: Pick<Transport, 'raw' | 'stream'>): void {
  // A Unix socket has no reset; asking for one makes an error of it.
  if (raw.remoteAddress === undefined || raw.destroyed || isShutting(raw) || isShutting(stream)) {
    raw.destroy()
  } else raw.resetAndDestroy()
  stream.destroy()
}

/**
 * Whether the socket is in the middle of its FIN. libuv then refuses a reset (EINVAL of
 * `uv_tcp_close_reset`), and Node.js has let go of the handle by then: a socket that cannot be
 * closed, that keeps the process alive, and that spins once the peer has hung up.
 */
function isShutting({ writableEnded, writableFinished, writableLength }: Socket): boolean {
  return writableEnded && !writableFinished && writableLength === 0
}
