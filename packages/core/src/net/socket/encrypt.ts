import type { Socket } from 'node:net'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { messageOf } from '../../base/message-of.js'
import { HungUpError } from '../frames/login-error.js'
import type { ConnectDeadline } from './connect-deadline.js'
import type { TlsPlan } from './tls-plan.js'

/** The server does not do TLS as it was asked for. The message is for the middle of a sentence. */
export class TlsRefusedError extends Error {
  /**
   * Whether it will not do so the next time either. What looks like a refusal may be a server that
   * is going down.
   */
  readonly certain: boolean

  /** `certain` is whether the server has said so itself. */
  constructor(message: string, certain: boolean, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.certain = certain
  }
}

/** What ends an attempt at TLS and is no reason to go on in plain text, not even for `prefer`. */
export class TlsUnsafeError extends Error {
  /** As that of a `ProtocolError`: the server does not keep to the protocol. */
  readonly code: string = 'POOLHOUSE_PROTOCOL'
}

/** What was given as `ssl.ca`, `ssl.cert` or `ssl.key` cannot be used. */
export class TlsMaterialError extends TlsUnsafeError {}

// The first message of a session that wants TLS: length 8, code 1234.5679.
const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f])
const YES = 0x53
const NO = 0x4e
const ERROR = 0x45
const NO_DIRECT_TLS: ReadonlySet<string> = new Set([
  'ECONNRESET',
  'EPIPE',
  'ERR_SSL_WRONG_VERSION_NUMBER',
  'ERR_SSL_PACKET_LENGTH_TOO_LONG',
])

/**
 * Encrypts a connected socket: asks first, or begins at once for a direct plan. Resolves with the
 * TLS stream, or with undefined when the server has no TLS and the plan can do without. Rejects
 * with a `TlsRefusedError` when the server has no TLS, with the error of the socket or of TLS, or
 * with `deadline.reason`; then the socket is destroyed.
 */
export async function encrypt(
  raw: Socket,
  plan: TlsPlan,
  deadline: ConnectDeadline,
): Promise<TLSSocket | undefined> {
  try {
    if (!plan.direct && !agrees(await ask(raw, deadline), plan)) return undefined
    return await shakeHands(raw, plan, deadline)
  } catch (error) {
    raw.destroy()
    throw error
  }
}

function ask(raw: Socket, deadline: ConnectDeadline): Promise<Buffer> {
  return during<Buffer>(raw, deadline, (settle) => {
    raw.once('data', settle)
    raw.write(SSL_REQUEST)
    return () => raw.removeListener('data', settle)
  })
}

/** Whether the server wants TLS as well; throws when it does not and has to. */
function agrees(answer: Buffer, plan: TlsPlan): boolean {
  // Exactly one byte: whatever follows it was injected before the handshake, and must not be read
  // as if it had come through it (CVE-2021-23222).
  if (answer.length === 1 && answer[0] === YES) return true
  if (answer.length === 1 && answer[0] === NO) {
    if (plan.optional) return false
    throw new TlsRefusedError('the server does not support TLS', true)
  }
  // Its text is not passed on: an attacker in between may have written it (CVE-2024-10977).
  if (answer[0] === ERROR) {
    throw new TlsRefusedError('the server answered the request for TLS with an error', false)
  }
  throw new TlsUnsafeError(
    answer[0] === YES
      ? 'unencrypted data followed the answer to the request for TLS; something in between may have injected it'
      : 'unexpected answer to the request for TLS; is this a PostgreSQL server?',
  )
}

async function shakeHands(
  raw: Socket,
  plan: TlsPlan,
  deadline: ConnectDeadline,
): Promise<TLSSocket> {
  try {
    const stream = await during<TLSSocket>(raw, deadline, (settle, fail) => {
      const tls = begin(raw, plan)
      const onSecure = (): void => settle(tls)
      // Stays for the life of the stream: between two owners an error must find a listener.
      tls.on('error', ignore)
      tls.on('error', fail)
      tls.once('secureConnect', onSecure)
      return () => {
        tls.removeListener('error', fail)
        tls.removeListener('secureConnect', onSecure)
      }
    })
    // Without it, a server of another protocol on a shared port could be talked to (ALPACA); libpq
    // refuses it too.
    if (plan.direct && stream.alpnProtocol !== 'postgresql') {
      stream.destroy()
      throw new TlsRefusedError(
        'the server did not agree on the protocol "postgresql" (ALPN)',
        true,
      )
    }
    return stream
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? ''
    // A server that does not know direct TLS takes its first message for nonsense: it hangs up, or
    // says so in plain text.
    if (plan.direct && (error instanceof HungUpError || NO_DIRECT_TLS.has(code))) {
      throw new TlsRefusedError(
        'the server does not answer direct TLS',
        code.startsWith('ERR_SSL'),
        error,
      )
    }
    throw error
  }
}

function begin(raw: Socket, plan: TlsPlan): TLSSocket {
  try {
    return connectTls({ ...plan.options, socket: raw })
  } catch (cause) {
    const why = messageOf(cause)
    throw new TlsMaterialError(
      `ssl.ca, ssl.cert or ssl.key cannot be read, or ssl.passphrase is not that of the key: ${why}`,
      { cause },
    )
  }
}

/**
 * One step on a socket: settled by `work`, by the end of the socket or by the deadline. Leaves no
 * listener; destroys the socket when it fails.
 */
function during<T>(
  raw: Socket,
  deadline: ConnectDeadline,
  work: (settle: (value: T) => void, fail: (error: unknown) => void) => () => void,
): Promise<T> {
  return new Promise((resolve, reject) => {
    let forget: (() => unknown) | undefined
    let over = false
    const end = (): boolean => {
      if (over) return false
      over = true
      deadline.unwatch()
      raw.removeListener('error', fail)
      raw.removeListener('close', onClose)
      forget?.()
      return true
    }
    const fail = (error: unknown): void => {
      if (!end()) return
      raw.destroy()
      reject(error as Error)
    }
    const onClose = (): void => fail(new HungUpError())
    if (!deadline.watch(() => fail(deadline.reason))) return
    if (raw.destroyed) {
      onClose()
      return
    }
    raw.on('error', fail)
    raw.on('close', onClose)
    try {
      forget = work((value) => {
        if (end()) resolve(value)
      }, fail)
    } catch (error) {
      fail(error)
    }
  })
}

function ignore(): void {}
