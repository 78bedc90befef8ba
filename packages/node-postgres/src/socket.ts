import { Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { Endpoint } from '@poolhouse/core'
import { ServerWithoutTlsError, type TlsPlan } from './tls.js'

/** Where a socket goes: a Unix socket or a TCP address. */
export type SocketTarget =
  | { readonly path: string }
  | { readonly host: string; readonly port: number }

/** A socket that is connected and, if asked for, encrypted. */
export interface OpenedSocket {
  /** The TCP or Unix socket itself. */
  readonly raw: Socket
  /** What to read and write: the socket itself, or the TLS stream over it. */
  readonly stream: Socket
  /** The very peer, not the name it was found by. */
  readonly peer: SocketTarget
}

// The first message of a session that wants TLS: length 8, code 1234.5679.
const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f])
const YES = 0x53
const NO = 0x4e
const KEEP_ALIVE_MS = 10_000

/** Where the server of an endpoint listens. */
export function targetOf(endpoint: Endpoint): SocketTarget {
  const { host, port } = endpoint
  return host.startsWith('/') ? { path: `${host}/.s.PGSQL.${port}` } : { host, port }
}

/**
 * Connects, trying every address of the host, and encrypts if there is a plan for it. Rejects with the error of the socket, or
 * with `signal.reason` when the signal fires; then nothing is left open. Errors after it resolved are ignored here.
 *
 * @param attemptMs How long one address of several may take before the next is tried.
 */
export function openSocket(
  target: SocketTarget,
  tls: TlsPlan | undefined,
  signal: AbortSignal,
  attemptMs: number,
): Promise<OpenedSocket> {
  return new Promise((resolve, reject) => {
    const raw = new Socket()
    let settled = false
    const settle = (): boolean => {
      if (settled) return false
      settled = true
      signal.removeEventListener('abort', onAbort)
      // Through these the session would hold on to everything its connect knew.
      raw.removeListener('error', fail)
      raw.removeListener('close', onClose)
      return true
    }
    const fail = (error: unknown): void => {
      if (!settle()) return
      raw.destroy()
      reject(error as Error)
    }
    const succeed = (stream: Socket): void => {
      if (!settle()) return
      stream.removeListener('error', fail)
      resolve({ raw, stream, peer: peerOf(raw, target) })
    }
    const onAbort = (): void => fail(signal.reason)
    const onClose = (): void => fail(new Error('the server closed the connection'))
    // Stays for the life of the socket: between two owners an error must find a listener.
    raw.on('error', ignore)
    raw.on('error', fail)
    raw.once('close', onClose)
    if (signal.aborted) {
      onAbort()
      return
    }
    signal.addEventListener('abort', onAbort, { once: true })
    raw.once('connect', () => {
      raw.setNoDelay(true)
      raw.setKeepAlive(true, KEEP_ALIVE_MS)
      if (tls === undefined) succeed(raw)
      else encrypt(raw, tls, succeed, fail)
    })
    raw.connect(
      'path' in target
        ? target
        : { ...target, autoSelectFamily: true, autoSelectFamilyAttemptTimeout: attemptMs },
    )
  })
}

function ignore(): void {}

function encrypt(
  raw: Socket,
  tls: TlsPlan,
  succeed: (stream: Socket) => void,
  fail: (error: unknown) => void,
): void {
  raw.write(SSL_REQUEST)
  raw.once('data', (answer) => {
    // Exactly one byte: whatever follows it was injected before the handshake, and must not be read as if it had come
    // through it (CVE-2021-23222).
    if (answer.length === 1 && answer[0] === NO) {
      if (tls.optional) succeed(raw)
      else fail(new ServerWithoutTlsError())
      return
    }
    if (answer.length !== 1 || answer[0] !== YES) {
      fail(new Error('unexpected answer to the request for TLS; is this a PostgreSQL server?'))
      return
    }
    try {
      const stream = connectTls({ ...tls.options, socket: raw })
      stream.on('error', ignore)
      stream.on('error', fail)
      stream.once('secureConnect', () => succeed(stream))
    } catch (error) {
      // A key or certificate that cannot be read.
      fail(error)
    }
  })
}

function peerOf(raw: Socket, target: SocketTarget): SocketTarget {
  const { remoteAddress, remotePort } = raw
  return 'path' in target || remoteAddress === undefined || remotePort === undefined
    ? target
    : { host: remoteAddress, port: remotePort }
}

/** Breaks a socket now, with a reset where the transport has one, so that the server notices at once. Never throws. */
export function breakSocket({ raw, stream }: OpenedSocket): void {
  // A Unix socket has no reset; asking for one makes an error of it.
  if (raw.remoteAddress === undefined || raw.destroyed) raw.destroy()
  else raw.resetAndDestroy()
  stream.destroy()
}
