import type { Socket } from 'node:net'
import { performance } from 'node:perf_hooks'
import type { ConnectContext } from '../../api/driver.js'
import type { CancelKey } from '../frames/frame-bodies.js'
import { requestCancel } from './cancel-request.js'
import { ConnectDeadline } from './connect-deadline.js'
import { toConnectError } from './connect-error.js'
import { planTls, type TlsPlan } from './tls-plan.js'
import {
  breakTransport,
  openTransport,
  type SocketTarget,
  type Transport,
  targetOf,
} from './transport.js'

/**
 * Opens the connection that a session is to log in over: look-up of every address, the race between
 * them, TCP or Unix socket, TLS. It ends at `context.timeoutMs` or when `context.signal` fires.
 * Rejects with `ConnectError`; then nothing is left open. The deadline runs on for the log-in:
 * `LoginGuard` takes it.
 *
 * @param refused A connection over which the server refused every log-in: the new one goes to the
 * same peer, in plain text, in what is left of the time.
 */
export async function openServerSocket(
  context: ConnectContext,
  refused?: ServerSocket,
): Promise<ServerSocket> {
  const { settings, timeoutMs, signal } = context
  const startedAt = refused?.startedAt ?? performance.now()
  const deadline = new ConnectDeadline(timeoutMs, signal, startedAt)
  try {
    const tls = refused === undefined ? planTls(settings) : undefined
    const target = refused?.peer ?? targetOf(settings)
    const transport = await openTransport(target, tls, deadline)
    return new ServerSocket(transport, tls, startedAt, deadline)
  } catch (error) {
    deadline[Symbol.dispose]()
    throw toConnectError(error, settings)
  }
}

/**
 * A connection to one server, encrypted if the settings ask for it, for a session to speak over.
 */
export class ServerSocket implements Transport {
  readonly raw: Socket
  /**
   * What the session reads and writes. Errors on it before or after the session's listeners are
   * ignored here; `close` follows each.
   */
  readonly stream: Socket
  readonly peer: SocketTarget
  readonly encrypted: boolean
  /** When the connect began, as `performance.now()`. */
  readonly startedAt: number
  /**
   * When the last byte came from the server, as `performance.now()`. Kept by the guard of the
   * log-in, and from then on by the session.
   */
  lastByteAt: number = performance.now()
  readonly #tls: TlsPlan | undefined
  #deadline: ConnectDeadline | undefined

  /** Use `openServerSocket`. */
  constructor(
    transport: Transport,
    tls: TlsPlan | undefined,
    startedAt: number,
    deadline: ConnectDeadline,
  ) {
    this.raw = transport.raw
    this.stream = transport.stream
    this.peer = transport.peer
    this.encrypted = transport.encrypted
    this.startedAt = startedAt
    this.#tls = tls
    this.#deadline = deadline
  }

  /** The deadline of the connect, for the log-in to go on under. The taker ends it. */
  takeDeadline(): ConnectDeadline | undefined {
    const deadline = this.#deadline
    this.#deadline = undefined
    return deadline
  }

  /**
   * Asks the server to cancel what the session of `key` runs, over a connection of its own to the
   * very peer of this one, encrypted if this one is. Resolves when the server has closed that
   * connection, which it does once it has passed the request on: only then can the request hit
   * nothing that comes later. Rejects when the server cannot be reached or `timeoutMs` have passed.
   */
  async sendCancel(key: CancelKey, timeoutMs: number): Promise<void> {
    // What `prefer` found out once is not negotiable for the request that follows.
    const tls = this.encrypted && this.#tls ? { ...this.#tls, optional: false } : undefined
    using deadline = new ConnectDeadline(timeoutMs, undefined)
    const transport = await openTransport(this.peer, tls, deadline)
    await requestCancel(transport, key, deadline)
  }

  /**
   * Breaks the connection now, with a reset where the transport has one, so that the server notices
   * at once. Never throws.
   */
  break(): void {
    this.takeDeadline()?.[Symbol.dispose]()
    breakTransport(this)
  }

  /** Lets the connection keep the process alive. */
  ref(): void {
    this.raw.ref()
  }

  /** Lets the process exit although the connection is open. */
  unref(): void {
    this.raw.unref()
  }
}
